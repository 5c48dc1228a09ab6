"""Carries programs out, blocking or awaiting; and makes methods of them that are both, written once."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from hookfill.client.steps import Program, Reply, Step

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a list, and the program that brings the next part; None after the last one."""

    items: Sequence[T]
    rest: "Program[Page[T]] | None"


class Blocking(ABC):
    """Carries out programs while the caller waits."""

    @abstractmethod
    def perform(self, step: Step) -> Reply:
        """Carry out one step."""

    def run(self, program: Program[T]) -> T:
        """A program's result."""
        try:
            step = next(program)
            while True:
                step = program.send(self.perform(step))
        except StopIteration as end:
            result: T = end.value
            return result

    def walk(self, program: "Program[Page[T]] | None") -> Iterator[T]:
        """Everything in a list, each part asked for when it is needed."""
        while program is not None:
            page = self.run(program)
            yield from page.items
            program = page.rest


class Awaiting(ABC):
    """Carries out programs in an event loop."""

    @abstractmethod
    async def perform(self, step: Step) -> Reply:
        """Carry out one step."""

    async def run(self, program: Program[T]) -> T:
        """A program's result."""
        try:
            step = next(program)
            while True:
                step = program.send(await self.perform(step))
        except StopIteration as end:
            result: T = end.value
            return result

    async def walk(self, program: "Program[Page[T]] | None") -> AsyncIterator[T]:
        """Everything in a list, each part asked for when it is needed."""
        while program is not None:
            page = await self.run(program)
            for item in page.items:
                yield item
            program = page.rest


class _Described:
    """Shows itself as the function that it is made of."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self.__wrapped__ = function
        self.__signature__ = inspect.signature(function)


class Call(_Described, Generic[P, T]):
    """A method made of a program: its result at a ``Blocking`` client, a coroutine at an ``Awaiting`` one."""

    def __init__(self, function: Callable[Concatenate[Any, P], Program[T]]) -> None:
        super().__init__(function)
        self._function = function

    @overload
    def __get__(self, client: Blocking, owner: type | None = None) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: Awaiting, owner: type | None = None) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, client: None, owner: type) -> "Call[P, T]": ...
    def __get__(self, client: Any, owner: type | None = None) -> Any:
        """The method of a client."""
        if client is None:
            return self

        @wraps(self._function)
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client.run(self._function(client, *args, **kwargs))

        return method


class Listing(_Described, Generic[P, T]):
    """The same for a list that comes in pages: an iterator, or an asynchronous one."""

    def __init__(self, function: Callable[Concatenate[Any, P], Program[Page[T]]]) -> None:
        super().__init__(function)
        self._function = function

    @overload
    def __get__(self, client: Blocking, owner: type | None = None) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, client: Awaiting, owner: type | None = None) -> Callable[P, AsyncIterator[T]]: ...
    @overload
    def __get__(self, client: None, owner: type) -> "Listing[P, T]": ...
    def __get__(self, client: Any, owner: type | None = None) -> Any:
        """The method of a client."""
        if client is None:
            return self

        @wraps(self._function)
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client.walk(self._function(client, *args, **kwargs))

        return method
