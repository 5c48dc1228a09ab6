"""What the routes about people work with, as the server was configured; and the limits on guessing."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import HTTPException, Request

from hookfill.accounts.callers import Recognition
from hookfill.accounts.guessing import Guesses, network_of
from hookfill.accounts.passwords import Passwords
from hookfill.accounts.tokens import AccessTokens
from hookfill.accounts.users import RegistrationRules

GUESS_SECONDS = 300.0
GUESSES_PER_EMAIL = 10
GUESSES_PER_NETWORK = 100
"""Many people may come from one network."""


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class People:
    """How this server recognises and admits people.

    Attributes:
        recognition: whose a token is. The default's secret is drawn at random: its tokens end with the process.
        passwords: hashes and checks them.
        rules: who may register.
        has_owner: somebody had registered when the server started.
        on_owner: called when the first user has become the owner.
        by_email, by_network: attempts to log in or register, counted in this process.
        clock: seconds that only go forward.
    """

    recognition: Recognition = field(default_factory=lambda: Recognition(AccessTokens(secrets.token_urlsafe(32))))
    passwords: Passwords = field(default_factory=Passwords)
    rules: RegistrationRules = field(default_factory=RegistrationRules)
    has_owner: bool = False
    on_owner: Callable[[], None] = _nothing
    by_email: Guesses = field(default_factory=lambda: Guesses(GUESSES_PER_EMAIL, GUESS_SECONDS))
    by_network: Guesses = field(default_factory=lambda: Guesses(GUESSES_PER_NETWORK, GUESS_SECONDS))
    clock: Callable[[], float] = time.monotonic

    def begin_attempt(self, request: Request, email: str) -> "Attempt":
        """Count an attempt.

        Raises:
            HTTPException: 429, there were too many.
        """
        attempt = Attempt(self, email, network_of(request.client.host if request.client else None))
        attempt.begin(self.clock())
        return attempt


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to log in or register, counted for the e-mail address and the network that it comes from."""

    people: People
    email: str
    network: str | None

    def begin(self, now: float) -> None:
        """Let it through and count it, or refuse it uncounted.

        Raises:
            HTTPException: 429, there were too many.
        """
        wait = self.people.by_email.wait(self.email, now)
        if self.network is not None:
            wait = max(wait, self.people.by_network.wait(self.network, now))
        if wait:
            text = f"Too many attempts: wait {wait} seconds and try again."
            raise HTTPException(429, text, {"Retry-After": str(wait)})
        self.people.by_email.note(self.email, now)
        if self.network is not None:
            self.people.by_network.note(self.network, now)

    def succeed(self) -> None:
        """It was the rightful user."""
        self.people.by_email.forget(self.email)
        if self.network is not None:
            self.people.by_network.forgive(self.network)


def people_of(request: Request) -> People:
    """How the server that takes this request was configured."""
    people: People = request.app.state.people
    return people
