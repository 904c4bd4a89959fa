def command(tokens):
    return lambda: None
