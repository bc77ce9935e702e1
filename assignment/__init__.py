"""What a student receives: the skeleton of the model, and the code that trains and evaluates it."""
