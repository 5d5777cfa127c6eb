"""Large inputs and outputs: objects in Django's storage `payloads`, which rows point at."""
