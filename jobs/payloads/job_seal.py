"""Seals and opens the payloads of one job, under the keys of that job."""

from __future__ import annotations

from secrets import token_bytes
from uuid import UUID

from jobs import metrics
from jobs.core.errors import PayloadErasedError, PayloadPlainError, PayloadUnreadableError
from jobs.core.payloads.job_keys import OF_CLIENT, OF_JOB, JobIdentity, Place, TaggedKey
from jobs.core.payloads.keyring import (
    KEY_BYTES,
    NONCE_BYTES,
    PLAIN,
    Column,
    SealedPlace,
    sealed,
    unsealed,
)
from jobs.payloads import vault
from jobs.payloads.data_keys import DataKeys


class JobSeal:
    """Opens the payloads of a job, and seals new ones.

    `wrapped` and `answer` are the job's stored keys, None where it has none: `answer` is that of its result,
    which may have come with a copied result from the identical job `run`. Keys are unwrapped when they are
    needed, and stay only as long as this object. `encrypts` is whether the job's version does.
    """

    encoding = OF_JOB

    def __init__(
        self,
        identity: JobIdentity,
        wrapped: bytes | None,
        answer: bytes | None,
        *,
        encrypts: bool,
        run: UUID | None = None,
        keys: DataKeys | None = None,
    ) -> None:
        """Prepare; nothing is unwrapped yet."""
        self.identity, self.encrypts = identity, encrypts
        self.wrapped, self.answer = wrapped, answer
        self._run, self._keys = identity.of(run), keys
        self._own: TaggedKey | None = None
        self._result: TaggedKey | None = None

    def unseal(self, stored: bytes, encoding: str, column: Column) -> bytes:
        """Return a payload in clear; PayloadUnreadableError, which is counted."""
        try:
            return self._unsealed(bytes(stored), encoding, column)
        except PayloadUnreadableError as error:
            metrics.PAYLOADS_REFUSED.labels(error.code).inc()
            raise

    def seal(self, plain: bytes, column: Column) -> bytes:
        """Return a payload sealed for this job; the errors of `unseal` where its keys cannot be read."""
        key, place = self._key_and_place(column)
        return sealed(plain, key=key, place=place, nonce=token_bytes(NONCE_BYTES))

    def seal_message(self, plain: bytes) -> tuple[bytes, str]:
        """Return what a model said, sealed, and its encoding: under the job's key, or else its client's.

        Jobs of versions that only mark personal data have no keys of their own. EncryptionUnavailableError.
        """
        place = Place(self.identity, Column.MESSAGE)
        if self.wrapped is not None:
            return self.seal_at(plain, place), OF_JOB
        data_key = (self._keys or vault.data_keys()).for_sealing(self.identity.data_key)
        return sealed(plain, key=data_key, place=place, nonce=token_bytes(NONCE_BYTES)), OF_CLIENT

    def unseal_message(self, stored: bytes, encoding: str) -> bytes:
        """Return what `seal_message` sealed; PayloadUnreadableError."""
        if encoding != OF_CLIENT or self.encrypts:
            return self.unseal(stored, encoding, Column.MESSAGE)
        data_key = (self._keys or vault.data_keys()).for_reading(self.identity.data_key)
        place = Place(self.identity, Column.MESSAGE)
        return unsealed(bytes(stored), key=data_key, place=place)

    def seal_at(self, plain: bytes, place: SealedPlace) -> bytes:
        """Return `plain` sealed under the job's own key for a place that names the job."""
        return sealed(plain, key=self._own_key().key, place=place, nonce=token_bytes(NONCE_BYTES))

    def unseal_at(self, stored: bytes, place: SealedPlace) -> bytes:
        """Return what `seal_at` sealed; PayloadUnreadableError."""
        return unsealed(stored, key=self._own_key().key, place=place)

    def _unsealed(self, stored: bytes, encoding: str, column: Column) -> bytes:
        if encoding == PLAIN:
            if self.encrypts:
                raise PayloadPlainError(f"The {column} is not encrypted, but its model version encrypts.")
            return stored
        if encoding != OF_JOB:
            raise PayloadUnreadableError(f"The {column} has the encoding {encoding!r} of another release.")
        if not self.encrypts:  # else its result would be stored in clear
            raise PayloadUnreadableError(f"The {column} is encrypted, but its version does not encrypt.")
        key, place = self._key_and_place(column)
        return unsealed(stored, key=key, place=place)

    def _key_and_place(self, column: Column) -> tuple[bytes, Place]:
        if column is Column.RESULT:
            return self._result_key().key, Place(self._run, column)
        return self._own_key().key, Place(self.identity, column)

    def _own_key(self) -> TaggedKey:
        if self._own is None:
            self._own = self._opened(self.wrapped, Place(self.identity, Column.INPUT, of_key=True))
        return self._own

    def _result_key(self) -> TaggedKey:
        if self._result is None:
            result = self._opened(self.answer, Place(self._run, Column.RESULT, of_key=True))
            if result.tag != self._own_key().tag:
                raise PayloadUnreadableError("The result is that of another request.")
            self._result = result
        return self._result

    def _opened(self, wrapped: bytes | None, place: Place) -> TaggedKey:
        if wrapped is None:
            raise PayloadErasedError
        data_key = (self._keys or vault.data_keys()).for_reading(place.identity.data_key)
        return TaggedKey.of(unsealed(bytes(wrapped), key=data_key, place=place))


def new_seal(identity: JobIdentity, *, request: bytes | None = None) -> JobSeal:
    """Return a seal with new keys for a job; EncryptionUnavailableError.

    `request` is the keyed digest of a request whose result may answer others; other jobs share with nobody.
    """
    data_key = vault.data_keys().for_sealing(identity.data_key)
    tag = request or identity.job.bytes

    def wrapped(column: Column) -> bytes:
        place = Place(identity, column, of_key=True)
        key = TaggedKey(token_bytes(KEY_BYTES), tag)
        return sealed(key.raw, key=data_key, place=place, nonce=token_bytes(NONCE_BYTES))

    return JobSeal(identity, wrapped(Column.INPUT), wrapped(Column.RESULT), encrypts=True)
