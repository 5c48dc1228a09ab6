"""The program that stands beside a MetaTrader 5 terminal: takes jobs from the server, carries them out once, tells what came of it.

``terminal`` is the port with its two implementations ``metatrader5`` and ``simulated``; ``retcodes``, ``jobs``, ``requests``,
``fills`` and ``times`` are pure; ``journal`` remembers what is about to be done; ``execute`` and ``close`` act; ``client`` and
``runner`` talk to the server.
"""
