"""Trading at Alpaca: an agent inside the worker process, which carries out the same jobs as an agent beside a terminal."""
