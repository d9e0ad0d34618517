"""The words of the watchdog as plain values: standard library only, frozen, no input or output."""
