from jobs.core.access.audit_kinds import AuditKind, without_payload


def test_a_failed_attempt_s_message_is_payload_and_its_code_is_not() -> None:
    detail: dict[str, object] = {"kind": "poison", "code": "bad", "message": "no word 'secret'", "batch": "b"}
    assert without_payload("failed", detail) == {"kind": "poison", "code": "bad", "batch": "b"}


def test_an_unknown_kind_s_detail_counts_as_payload() -> None:
    assert without_payload("something new", {"text": "secret"}) == {}
    assert without_payload(AuditKind.SUBMIT, {"jobs": 3}) == {"jobs": 3}
