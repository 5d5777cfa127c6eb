"""Vocabulary of access: token scopes and the kinds of audited acts."""
