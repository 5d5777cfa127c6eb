// Flower's own script reads this name; here no page has a script in it.
var autorefresh = Number(document.currentScript.dataset.refresh);
