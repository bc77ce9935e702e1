"""The sandboxes that `--sandbox` can force; `auto` takes the best there is."""

SANDBOXES = ("auto", "bubblewrap", "user", "process", "in-process")
