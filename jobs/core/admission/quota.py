"""Quotas of clients: token buckets that all web processes share, each taking a little ahead. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

REQUESTS_BURST_S, BYTES_BURST_S = 2.0, 10.0
AHEAD_S = 0.1  # a process takes ahead what the client may send in so long, at most a tenth of the burst
AHEAD_FRACTION, IN_FLIGHT_FRACTION = 0.1, 0.05
LEASE_S = 1.0  # tokens that were taken ahead and are not spent by then are lost


class QuotaKind(StrEnum):
    """What a quota counts; also its name in the RateLimit headers."""

    REQUESTS = "requests"
    BYTES = "bytes"
    IN_FLIGHT = "in_flight"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket: it holds up to `burst` and gains `per_s` a second; at 0 only a count refills it."""

    burst: float
    per_s: float

    @property
    def ahead(self) -> float:
        """Return how many tokens a process takes beyond those that it needs."""
        if not self.per_s:
            return float(int(self.burst * IN_FLIGHT_FRACTION))
        return min(self.per_s * AHEAD_S, self.burst * AHEAD_FRACTION)


@dataclass(frozen=True, slots=True)
class Quota:
    """The limits of a client; None means no limit."""

    requests_per_s: float | None = None
    requests_burst: int | None = None
    bytes_per_s: int | None = None
    most_in_flight: int | None = None

    @property
    def limits(self) -> bool:
        """Return whether there is any limit."""
        return (self.requests_per_s, self.bytes_per_s, self.most_in_flight) != (None, None, None)

    def buckets(self) -> Iterator[tuple[QuotaKind, Bucket]]:
        """Yield the bucket of each limit."""
        if self.requests_per_s is not None:
            burst = self.requests_burst or math.ceil(self.requests_per_s * REQUESTS_BURST_S)
            yield QuotaKind.REQUESTS, Bucket(max(1.0, burst), self.requests_per_s)
        if self.bytes_per_s is not None:
            yield QuotaKind.BYTES, Bucket(max(1.0, self.bytes_per_s * BYTES_BURST_S), float(self.bytes_per_s))
        if self.most_in_flight is not None:
            yield QuotaKind.IN_FLIGHT, Bucket(float(self.most_in_flight), 0.0)


UNLIMITED = Quota()


class LocalBucket:
    """The tokens that one process has taken from a bucket, and the level that it last saw there."""

    def __init__(self) -> None:
        self._stock = self._level = 0.0
        self._until_s = self._seen_s = 0.0
        self.blocked_until_s = 0.0

    def stock(self, now: float) -> float:
        """Return the tokens that can be spent without a statement."""
        return self._stock if now < self._until_s else 0.0

    def put(self, amount: float, level: float, now: float) -> None:
        """Add tokens from the bucket, in which `level` remain."""
        self._stock = self.stock(now) + amount
        self._until_s, self._level, self._seen_s = now + LEASE_S, level, now

    def spend(self, amounts: Sequence[float], now: float) -> int:
        """Spend on as many of `amounts`, from the first on, as the stock covers; return their number."""
        stock, count = self.stock(now), 0
        for amount in amounts:
            if amount > stock:
                break
            stock, count = stock - amount, count + 1
        self._stock = stock
        return count

    def give_back(self, amount: float) -> None:
        """Return tokens to the stock that were spent on refused jobs."""
        self._stock += amount

    def block(self, seconds: float, now: float) -> None:
        """Refuse without a statement for so long."""
        self.blocked_until_s = now + seconds

    def level(self, now: float) -> float:
        """Return the last level of the bucket plus the stock; below zero it is a debt."""
        return self._level + self.stock(now)

    def remaining(self, bucket: Bucket, now: float) -> float:
        """Return about how much the client may still send at once."""
        level = self._level + bucket.per_s * (now - self._seen_s) if self._seen_s else bucket.burst
        return max(0.0, min(bucket.burst, level + self.stock(now)))


def refill_s(bucket: Bucket, level: float, amount: float) -> float:
    """Return the seconds until a bucket at `level` gives `amount`; what exceeds the burst becomes a debt."""
    return max(0.0, min(amount, bucket.burst) - level) / bucket.per_s if bucket.per_s else 0.0


def headers(remaining: Sequence[tuple[QuotaKind, Bucket, float]]) -> dict[str, str]:
    """Return RateLimit-Policy and RateLimit by draft-ietf-httpapi-ratelimit-headers-10."""
    policies, limits = list[str](), list[str]()
    for kind, bucket, amount in remaining:
        window = f";w={math.ceil(bucket.burst / bucket.per_s)}" if bucket.per_s else ""
        unit = ';qu="content-bytes"' if kind is QuotaKind.BYTES else ""
        policies.append(f'"{kind}";q={math.floor(bucket.burst)}{window}{unit}')
        resets = f";t={math.ceil((bucket.burst - amount) / bucket.per_s)}" if bucket.per_s else ""
        limits.append(f'"{kind}";r={math.floor(amount)}{resets}')
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(limits)}
