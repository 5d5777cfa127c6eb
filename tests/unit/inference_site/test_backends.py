"""Django gets its database and its storages from the configuration."""

from inference_site.backends import django_database, django_storages
from inference_site.config import Config


def test_a_database_url_s_escapes_are_undone() -> None:
    entry = django_database(Config(database_url="postgresql://me:p%40ss%2F@host:5433/name"))
    assert (entry["PASSWORD"], entry["HOST"], entry["PORT"], entry["NAME"]) == (
        "p@ss/",
        "host",
        "5433",
        "name",
    )


def test_payloads_go_to_a_folder_or_a_bucket() -> None:
    assert django_storages(Config(payload_dir="/p"))["payloads"]["OPTIONS"] == {"location": "/p"}
    bucket = Config(
        payload_storage="s3",
        payload_bucket="payloads",
        payload_endpoint_url="http://minio:9000",
        payload_region="eu",
        payload_addressing="path",
    )
    assert django_storages(bucket)["payloads"]["OPTIONS"] == {
        "bucket_name": "payloads",
        "endpoint_url": "http://minio:9000",
        "region_name": "eu",
        "addressing_style": "path",
        "file_overwrite": False,
    }
