"""Printing of SI quantities. Inside the product every quantity is in SI units; only here it becomes text."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass

from aigc_bench.core.messages import message

_SI = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
# Only units of which people say milli or giga: there is no "kilorequest/s".
_PREFIXED = {"s", "W", "J", "FLOP/s", "FLOP", "B/s", "Hz", "Wh", "V", "bit/s"}
_PREFIXED_PER_ITEM = {"s", "J", "FLOP", "Wh"}
"""Heads of units per item that take a prefix: 0.0021 J/token is 2.10 mJ/token."""

_SAME = {"FLOPs/s": "FLOP/s", "bytes/s": "B/s", "J/byte": "J/B"}
"""Units of a throughput (items per second) that are printed as the quantity they are."""

_PRINTED = {
    "fraction": (0.01, "%"),
    "fraction/year": (0.01, "%/year"),
    "request/s": (1.0, "requests/s"),
    "request/min": (1.0, "requests/min"),
    "day": (1.0, "days"),
    "token/request": (1.0, "tokens/request"),
    "C": (1.0, "°C"),
    "ratio": (1.0, "×"),
    "kgCO2e/token": (1e-6, message("kgCO2e/million tokens")),
    # Seconds of audio in a second are a speed without a dimension (RTFx); seconds for a second of audio are its inverse (RTF).
    "audio-seconds/s": (1.0, message("× real time")),
    "s/audio-second": (1.0, ""),
}

_PRICED_BY = {
    "usd/B": (1e-9, "/GB"),
    "usd/B-month": (1e-9, "/GB-month"),
    "usd/token": (1e-6, message("/million tokens")),
}
"""Units of prices as price lists have them: bytes by the decimal gigabyte, tokens by the million."""

GIB = 1024**3
MIB = 1024**2
KIB = 1024
SECONDS_PER_HOUR = 3600.0
SECONDS_PER_YEAR = 365.25 * 24 * 3600.0
JOULES_PER_KWH = 3.6e6


def digits(value: float, *, significant: int = 3) -> str:
    """``value`` with that many significant digits, thousands grouped, no exponent between 1e-4 and 1e15."""
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return str(value)
    # The power of ten of the first digit after rounding: 9.996 is 10.0.
    magnitude = int(f"{value:.{significant - 1}e}".rpartition("e")[2])
    if magnitude < -4 or magnitude >= 15:
        return f"{value:.{significant - 1}e}"
    return f"{round(value, significant - 1 - magnitude):,.{max(0, significant - 1 - magnitude)}f}"


def figure(value: float) -> str:
    """Return three significant digits, or a whole number as such: 44 machines, not 44.0."""
    # A very large float is whole by rounding: its digits would be printed as if they were known.
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else digits(value)


def scale(value: float, unit: str) -> tuple[float, str]:
    """How a quantity of that size is printed: the factor to divide by and the unit to print (``(1e-3, "ms")`` for 0.0123 s)."""
    unit = _SAME.get(unit, unit)
    if unit == "B":
        return _bytes(abs(value))
    if unit == "B/token":
        # A cache is stated as 128 KiB for each token, never as an eighth of a MiB; a token of text has four bytes.
        return (MIB, "MiB/token") if abs(value) >= MIB else (KIB, "KiB/token") if abs(value) >= KIB else (1.0, "B/token")
    if unit == "parameters" and abs(value) >= 1e6:
        # No one says a gigaparameter, and a B after a number means bytes here.
        return (1e9, message("billion")) if abs(value) >= 0.9995e9 else (1e6, message("million"))
    if unit in _PRINTED:
        return _PRINTED[unit]
    if (unit in _PREFIXED or unit.partition("/")[0] in _PREFIXED_PER_ITEM) and value != 0 and math.isfinite(value):
        # What three digits would round to 1000 of one unit is 1 of the next.
        floor, prefix = next(((f, p) for f, p in _SI if abs(value) >= f * 0.9995), _SI[-1])
        # Kiloseconds are no unit that people use.
        if unit.startswith("s") and floor > 1:
            floor, prefix = 1.0, ""
        return floor, f"{prefix}{unit}"
    return 1.0, unit


def _bytes(size: float) -> tuple[float, str]:
    if size >= GIB:
        return GIB, "GiB"
    if size >= 0.1 * MIB:
        return MIB, "MiB"
    return (KIB, "KiB") if size >= 0.1 * KIB else (1.0, "B")


@dataclass(frozen=True, kw_only=True)
class Currency:
    """The currency in which money is shown: its ISO 4217 code, and USD for one unit of it."""

    code: str = "USD"
    usd: float = 1.0

    @property
    def mark(self) -> str:
        """Return what stands before an amount: a sign where it is of one currency alone, else the code."""
        # The yen's sign is the yuan's, too, and a dozen currencies are called dollar.
        return {"USD": "$", "EUR": "€", "GBP": "£"}.get(self.code, f"{self.code} ")


_DOLLARS = Currency()
# A context variable, as for the language: amounts are computed in USD, and shown in the currency of whoever reads.
_CURRENCY: ContextVar[Currency] = ContextVar("currency", default=_DOLLARS)


@contextlib.contextmanager
def money_in(currency: Currency) -> Iterator[None]:
    """Show money in a currency while this lasts; amounts that are stored stay in USD."""
    token = _CURRENCY.set(currency)
    try:
        yield
    finally:
        _CURRENCY.reset(token)


def shown_money(usd: float) -> tuple[str, float]:
    """Return the mark of the currency that is shown, and the amount in it."""
    currency = _CURRENCY.get()
    return currency.mark, usd / currency.usd


def quantity(value: float | None, unit: str, *, significant: int = 3) -> str:
    """A number with its unit as a person writes it: ``quantity(0.0123, "s")`` is ``12.3 ms``; missing is an en dash."""
    if value is None:
        return "–"
    if unit.partition("/")[0] == "usd":
        sign = "-" if value < 0 else ""
        mark, amount = shown_money(abs(value))
        size, printed = _PRICED_BY.get(unit, (1.0, unit.removeprefix("usd")))
        return f"{sign}{mark}{digits(amount / size, significant=significant)}{printed}"
    factor, printed = scale(value, unit)
    return f"{digits(value / factor, significant=significant)} {printed}".rstrip()


def probability_text(share: float) -> str:
    """Format a probability over Monte Carlo scenarios, no finer than its sampling error: ``81 %``, ``0.2 %``, ``under 0.1 %``."""
    percent = 100 * share
    if percent in (0.0, 100.0):
        return f"{percent:.0f} %"
    if percent < 0.1:
        return "under 0.1 %"
    if percent > 99.9:
        return "over 99.9 %"
    return f"{percent:.0f} %" if 1 <= percent <= 99 else f"{percent:.1f} %"


def memory(num_bytes: float) -> str:
    """Bytes in the binary unit that suits them: ``1.50 GiB``, ``300 MiB``, ``2.00 KiB``."""
    return quantity(num_bytes, "B")


def clock(duration_s: float) -> str:
    """A duration for progress lines: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    seconds = max(0, round(duration_s))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return message("{minutes} min {seconds:02d} s", minutes=seconds // 60, seconds=seconds % 60)
    return message("{hours} h {minutes:02d} min", hours=seconds // 3600, minutes=seconds % 3600 // 60)


_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", re.ASCII)
LONGEST_S = 1000 * SECONDS_PER_YEAR


def parse_duration(text: str) -> float:
    """Return the seconds of ``90s``, ``20m``, ``1h30m`` or a plain number of seconds; raises ``ValueError`` for anything else."""
    # "min" becomes "m": a duration has no months here.
    compact = text.strip().lower().replace(" ", "").replace("min", "m")
    match = _DURATION.fullmatch(compact) if 0 < len(compact) <= 60 else None
    if match is None:
        raise ValueError(message("{text!r} is not a duration; write 90s, 20m or 1h30m", text=text[:40]))
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    duration = hours * SECONDS_PER_HOUR + minutes * 60 + seconds
    if duration > LONGEST_S:
        raise ValueError(message("{text!r} is longer than 1000 years", text=text[:40]))
    return duration
