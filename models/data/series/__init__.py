"""Series of numbers in time: long ones, cut into windows, and windows that are cut already."""
