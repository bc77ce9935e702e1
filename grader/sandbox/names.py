"""The sandboxes that `--sandbox` can force; `auto` takes the best there is."""

SANDBOXES = ("auto", "process", "in-process")
