from base64 import b64encode
from dataclasses import FrozenInstanceError, fields

import pytest

from inference_site.config import Config, setting_rows

NEEDED = {
    "DATABASE_URL": "postgresql://u:p@h/n",
    "BROKER_URL": "amqp://u:p@h//",
    "SECRET_KEY": "fifty characters, none of which is known to anybody else",
}


def test_a_full_environment_has_no_mistakes_and_the_defaults() -> None:
    config = Config.from_env(NEEDED)
    assert config.mistakes == ()
    assert (config.max_body_bytes, config.debug) == (Config.max_body_bytes, False)


def test_a_missing_setting_is_named() -> None:
    assert set(NEEDED) <= {mistake.split()[0] for mistake in Config.from_env({}).mistakes}


@pytest.mark.parametrize("value", ["-1", "0", "ten", "1.5", "²"])
def test_a_number_that_cannot_be_used_leaves_the_default_and_a_sentence(value: str) -> None:
    config = Config.from_env(NEEDED | {"MAX_BODY_BYTES": value})
    assert config.max_body_bytes == Config.max_body_bytes
    assert config.mistakes == (f"MAX_BODY_BYTES is {value!r}; it must be a whole number of at least 1.",)


def test_every_mistake_is_collected() -> None:
    config = Config.from_env({"QUEUE_TYPE": "stream", "METRICS_PORT": "65536", "WEB_WORKERS": "none"})
    names = {mistake.split()[0] for mistake in config.mistakes}
    assert names == {"QUEUE_TYPE", "METRICS_PORT", "WEB_WORKERS", *NEEDED}


def test_a_misspelt_setting_is_a_mistake_that_names_the_right_one() -> None:
    config = Config.from_env(NEEDED | {"WEBHOOK_INTERNAL_HOST": "a"})
    assert config.mistakes == (
        "There is no setting WEBHOOK_INTERNAL_HOST; did you mean WEBHOOK_INTERNAL_HOSTS?",
    )


def test_a_similar_variable_of_another_program_is_no_mistake() -> None:
    others = {"APP_URL": "x", "CELERY_BROKER_URL": "x", "HOSTNAME": "x", "PGPORT": "1", "QUEUE": "x"}
    assert Config.from_env(NEEDED | others | {"BROKER_URLS": "x"}).mistakes == ()


def test_an_empty_variable_counts_as_not_set() -> None:
    config = Config.from_env(NEEDED | {"MAX_BODY_BYTES": "", "QUEUE_TYPE": " ", "PAYLOAD_DIR": ""})
    assert (config.mistakes, config.payload_dir) == ((), Config.payload_dir)


def test_each_setting_has_a_row_for_the_documents() -> None:
    rows = {row.name: row for row in setting_rows()}
    settings = {field.name.upper() for field in fields(Config)} - {"MISTAKES"}
    assert set(rows) == settings
    assert rows["RETENTION_DAYS"].default == "30"
    assert rows["RETENTION_DAYS"].description.endswith("Allowed: a whole number from 1 to 366.")


@pytest.mark.parametrize(("value", "hops"), [("", 0), ("0", 0), ("1", 1), ("12", 12)])
def test_no_proxy_is_trusted_until_its_hop_is_counted(value: str, hops: int) -> None:
    config = Config.from_env(NEEDED | {"TRUSTED_PROXY_HOPS": value})
    assert (config.trusted_proxy_hops, config.mistakes) == (hops, ())


@pytest.mark.parametrize("value", ["-1", "one", "1.5"])
def test_an_invalid_number_of_hops_trusts_no_proxy(value: str) -> None:
    config = Config.from_env(NEEDED | {"TRUSTED_PROXY_HOPS": value})
    assert config.trusted_proxy_hops == 0
    assert config.mistakes[0].startswith("TRUSTED_PROXY_HOPS is ")


def test_the_site_s_address_decides_about_https() -> None:
    assert not Config.from_env(NEEDED).https
    assert Config.from_env(NEEDED | {"API_URL": "https://inference.example/"}).https


def test_a_flag_that_is_no_flag_is_a_mistake() -> None:
    config = Config.from_env(NEEDED | {"DEBUG": "perhaps"})
    assert not config.debug
    assert "DEBUG" in config.mistakes[0]


def test_words_are_split_and_stripped() -> None:
    assert Config.from_env(NEEDED | {"ALLOWED_HOSTS": " a, ,b "}).allowed_hosts == ("a", "b")


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Config.from_env(NEEDED).debug = True  # type: ignore[misc]  # mypy knows it too


KEYS = {name: b64encode(name.encode() * 32).decode() for name in "ab"}


def test_keys_are_read_in_their_order() -> None:
    setting = f"old:{KEYS['a']}, new:{KEYS['b']}"
    config = Config.from_env(NEEDED | {"PAYLOAD_KEYS": setting, "PII_KEY": KEYS["a"]})
    assert config.payload_keys == (("old", b"a" * 32), ("new", b"b" * 32))
    assert (config.pii_key, config.mistakes) == (b"a" * 32, ())


@pytest.mark.parametrize(
    "setting",
    [
        KEYS["a"],
        f":{KEYS['a']}",
        f"a b:{KEYS['a']}",
        f"longer-than-8:{KEYS['a']}",
        "a:c2hvcnQ=",
        f"a:{KEYS['a'][:-1]}",
        f"a:{KEYS['a']}é",
        f"a:{KEYS['a']},a:{KEYS['b']}",
    ],
)
def test_an_unusable_key_gives_a_sentence_that_does_not_quote_it(setting: str) -> None:
    config = Config.from_env(NEEDED | {"PAYLOAD_KEYS": setting, "PII_KEY": f":{setting}"})
    assert (config.payload_keys, config.pii_key) == ((), b"")
    assert {mistake.split()[0].rstrip(":") for mistake in config.mistakes} == {"PAYLOAD_KEYS", "PII_KEY"}
    assert not any(key[:8] in " ".join(config.mistakes) for key in (*KEYS.values(), "c2hvcnQ="))


def test_a_config_shows_no_secret() -> None:
    shown = repr(Config.from_env(NEEDED | {"PAYLOAD_KEYS": f"k:{KEYS['a']}", "PII_KEY": KEYS["b"]}))
    assert not any(secret in shown for secret in ("aaaa", "bbbb", KEYS["a"], *NEEDED.values()))


def test_payloads_are_kept_for_a_month_and_the_audit_for_two_years_by_default() -> None:
    assert (Config.from_env(NEEDED).retention_days, Config.from_env(NEEDED).events_days) == (30, 730)
    config = Config.from_env(NEEDED | {"RETENTION_DAYS": "7", "EVENTS_DAYS": "400"})
    assert (config.retention_days, config.events_days, config.mistakes) == (7, 400, ())


@pytest.mark.parametrize("days", ["0", "367", "a month"])
def test_days_that_no_partition_has_are_a_mistake(days: str) -> None:
    config = Config.from_env(NEEDED | {"RETENTION_DAYS": days})
    assert config.retention_days == 30
    assert config.mistakes[0].startswith("RETENTION_DAYS is ")


S3 = {"PAYLOAD_STORAGE": "s3", "PAYLOAD_BUCKET": "payloads"}


def test_a_bucket_is_named_with_its_region_and_address() -> None:
    settings = {
        "PAYLOAD_ENDPOINT_URL": "http://minio:9000/",
        "PAYLOAD_REGION": "eu",
        "PAYLOAD_ADDRESSING": "Path",
    }
    config = Config.from_env(NEEDED | S3 | settings)
    assert config.mistakes == ()
    assert (config.payload_bucket, config.payload_endpoint_url) == ("payloads", "http://minio:9000")
    assert (config.payload_region, config.payload_addressing) == ("eu", "path")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PAYLOAD_BUCKET", ""),
        ("PAYLOAD_STORAGE", "ftp"),
        ("PAYLOAD_ADDRESSING", "dns"),
        ("PAYLOAD_ENDPOINT_URL", "minio:9000"),
        ("PAYLOAD_ENDPOINT_URL", "https://"),
        ("PAYLOAD_ENDPOINT_URL", "https://key:secret@minio"),
        ("PAYLOAD_ENDPOINT_URL", "https://minio/payloads"),
    ],
)
def test_a_bucket_that_cannot_be_reached_is_a_sentence(name: str, value: str) -> None:
    (mistake,) = Config.from_env(NEEDED | S3 | {name: value}).mistakes
    assert mistake.startswith(f"{name} ")
    assert "secret" not in mistake


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "flower:5555", "https://admin:secret@flower", "https://", "http://f/?a=1"]
)
def test_flower_s_address_is_one_that_a_page_may_link_to(url: str) -> None:
    (mistake,) = Config.from_env(NEEDED | {"FLOWER_URL": url}).mistakes
    assert mistake == "FLOWER_URL must be http:// or https://, with no user and no query."
    assert Config.from_env(NEEDED | {"FLOWER_URL": "http://h:1/f/"}).flower_url == "http://h:1/f"


@pytest.mark.parametrize(
    "url",
    ["amqp://u:p%2F@h//", "amqps://u:p@h:5671/v", "amqp://u:p@a//; amqps://u:p@b:5671//", "amqps://[::1]//"],
)
def test_a_broker_is_one_node_or_several(url: str) -> None:
    config = Config.from_env(NEEDED | {"BROKER_URL": url})
    assert (config.broker_url, config.mistakes) == (url.replace(" ", ""), ())


@pytest.mark.parametrize(
    "url",
    ["h", "redis://u:word@h//", "amqp://u:wo/rd@h//", "amqp://u:wo#rd@h//", "amqp://u:word@/v", "amqp://u:word@h//;",
     "amqps://u:word@h//?ssl_ca_certs=ca.pem", "amqp://u:word@a//;b", "amqp://u:word@h:0//"],
)  # fmt: skip
def test_a_broker_that_cannot_be_used_is_a_mistake_that_quotes_no_password(url: str) -> None:
    mistakes = Config.from_env(NEEDED | {"BROKER_URL": url}).mistakes
    assert mistakes[0].startswith("BROKER_URL: node ")
    assert "word" not in mistakes[0].replace("password", "")


@pytest.mark.parametrize("name", ["SECRET_KEY", "DATABASE_URL", "PAYLOAD_KEYS", "PII_KEY"])
def test_a_value_of_the_example_is_refused_by_its_setting_s_name(name: str) -> None:
    mistakes = Config.from_env({name: "a-change-me-b"}).mistakes
    assert f"{name} still has the example's value, change-me." in mistakes
