"""Strict reading of a strategy's settings sections: an unknown name or an unusable value is an error, never a silent default."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.money import MAX_PRICE, InvalidNumber, decimal_from


def check_section(section: object, known: Iterable[str], name: str) -> Mapping[str, object]:
    """The section as a mapping that holds known names only; a missing section (None) is an empty one.

    Args:
        section: what the strategy's settings hold under ``name``.
        known: the names that may occur in it.
        name: what the section is called, for the error text.

    Raises:
        ConfigurationError: it is no object, or holds a name that nothing reads.
    """
    if section is None:
        return {}
    if not isinstance(section, Mapping):
        raise ConfigurationError(f'{name} must be an object such as {{"{min(known)}": …}}.')
    names = sorted(known)
    for key in section:
        if key not in names:
            raise ConfigurationError(f"{name} has no setting {key!r}; known are {', '.join(names)}.")
    return section


def positive_number(value: object, name: str, *, most: Decimal = MAX_PRICE) -> Decimal:
    """A number above 0 and at most ``most``.

    Raises:
        ConfigurationError: it is no number or out of these bounds.
    """
    try:
        number = decimal_from(value, name)
    except InvalidNumber as error:
        raise ConfigurationError(str(error)) from error
    if not 0 < number <= most:
        raise ConfigurationError(f"{name} must be above 0 and at most {most:f}; it is {number:f}.")
    return number


def optional_number(section: Mapping[str, object], key: str, name: str, *, most: Decimal = MAX_PRICE) -> Decimal | None:
    """The number under ``key`` as ``positive_number`` reads it; None if it is absent or null.

    Raises:
        ConfigurationError: it is no number or out of bounds.
    """
    value = section.get(key)
    return None if value is None else positive_number(value, f"{name}.{key}", most=most)
