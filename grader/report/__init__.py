"""One result model, drawn as a terminal table and as Gradescope's results.json. Knows nothing but the model."""
