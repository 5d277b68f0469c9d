"""What must not be shown is not shown, wherever it stands."""

from __future__ import annotations

import pytest

from pvsched.masking import DEPTH_LIMIT, ITEM_LIMIT, MASK, TEXT_LIMIT, is_secret, masked, masked_text


@pytest.mark.parametrize(
    "name",
    [
        "secret",
        "PH_CREDS_SECRET",
        "api-token",
        "Authorization",
        "db_password",
        "Set-Cookie",
        "private-key",
        "PH_FACTORY_AUTOTOK",
    ],
)
def test_secret_names(name: str) -> None:
    """Case, hyphens and what stands around the word do not matter."""
    assert is_secret(name)


@pytest.mark.parametrize("name", ["key", "sha256", "lane", "author", "path", "PV_DEBUG_SSH_AUTHORIZED_KEYS"])
def test_harmless_names(name: str) -> None:
    """A task's key is no secret."""
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("token=abc123 rest", f"token={MASK} rest"),
        ("Authorization: Bearer abcdef.ghi", f"Authorization: {MASK} {MASK}"),
        ('{"password": "a b c", "n": 1}', f'{{"password": {MASK}, "n": 1}}'),
        ("GET https://ann:pw@hub/x", f"GET https://ann:{MASK}@hub/x"),
        ("?access_token=zzz&n=1", f"?access_token={MASK}&n=1"),
        ("nothing of the kind: lane=objects", "nothing of the kind: lane=objects"),
    ],
)
def test_secrets_in_text(text: str, shown: str) -> None:
    """The shapes that secrets take in free text."""
    assert masked_text(text) == shown


def test_secrets_at_any_depth_of_a_document() -> None:
    """Names inside lists and dicts count; the original is not touched."""
    document = {"a": [{"token": "x", "n": 1}], "secret": {"b": 2}, "password": None}
    assert masked(document) == {"a": [{"token": MASK, "n": 1}], "secret": MASK, "password": None}
    assert document["a"] == [{"token": "x", "n": 1}]


def test_deep_wide_and_long_values_are_cut() -> None:
    """What a client sends cannot make our answers large."""
    deep: object = 1
    for _ in range(DEPTH_LIMIT + 5):
        deep = [deep]
    assert str(masked(deep)).count("[") == DEPTH_LIMIT
    wide = masked(list(range(ITEM_LIMIT + 5)))
    assert isinstance(wide, list)
    assert wide[-1] == "..."
    assert len(wide) == ITEM_LIMIT + 1
    many = masked({str(i): i for i in range(ITEM_LIMIT + 5)})
    assert isinstance(many, dict)
    assert many["..."] == 5
    assert masked("x" * (TEXT_LIMIT + 1)) == "x" * TEXT_LIMIT + "..."


def test_a_secret_across_the_cut_is_not_shown_in_part() -> None:
    """The text is cut before it is masked; what is left of the secret is masked with the rest."""
    text = "x" * (TEXT_LIMIT - 10) + " token=abcdefghijklmnop"
    assert "abc" not in str(masked(text))
