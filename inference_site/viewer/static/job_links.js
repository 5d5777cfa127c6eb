// In the list of tasks, each job's row leads to its page in the admin, too.
(function () {
    "use strict";
    var jobs = document.currentScript.dataset.jobs,
        prefix = document.currentScript.dataset.prefix,
        uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

    $("#tasks-table").on("draw.dt", function () {
        $(this).DataTable().rows({page: "current"}).every(function () {
            var task = this.data(), row = this.node();
            if (!row || row.querySelector(".job-link") || !uuid.test(task.uuid) ||
                    !String(task.name).startsWith(prefix)) {
                return;
            }
            var link = document.createElement("a");
            link.className = "job-link ms-2";
            link.href = jobs + task.uuid + "/change/";
            link.textContent = "admin";
            link.title = "This job in the admin: why it took so long, its batch, its events";
            row.querySelector("a[href*='/task/']").after(link);
        });
    });
}());
