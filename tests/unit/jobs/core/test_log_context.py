from jobs.core.log_context import about, known_ids, request_id


def test_ids_are_known_within_their_block_beside_those_of_blocks_around_it() -> None:
    with about(request_id="r"), about(batch=1):
        assert known_ids() == {"request_id": "r", "batch": 1}
        assert request_id() == "r"
        with about(batch=2):
            assert known_ids() == {"request_id": "r", "batch": 2}
    assert known_ids() == {}
    assert request_id() is None
