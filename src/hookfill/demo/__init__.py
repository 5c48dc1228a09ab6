"""The demonstration: a sample trading day that this project makes itself, and its replay."""
