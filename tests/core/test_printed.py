"""What a program printed becomes plain text: no secrets, no home, no orders to a terminal, and an end."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.core.printed import HIDDEN, MOST_BYTES, Private, discreet, kept_end, readable, secrets_in

ADA = Private(homes=("/home/ada",), user="ada")
TOKEN = {
    "refresh_token": "abcdefgh-refresh",
    "client_secret": "zyxwvuts-client",
    "token_uri": "https://o.example/token",
}


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("/home/ada/x.py", "~/x.py"),
        ("/home/ada", "~"),
        ("see /home/ada: no", "see ~: no"),
        ("/home/ada-2/x", "/home/ada-2/x"),
        ("/home/ada.old/x", "/home/ada.old/x"),
        ("/Users/ada/x", "~/x"),
        (r"C:\Users\ada\x", r"~\x"),
        (r"'C:\\Users\\Ada\\x'", r"'~\\x'"),
        ("/mnt/c/Users/ada/x", "~/x"),
        ("/var/home/ada/x", "~/x"),
        ("../../home/ada/x", "../..~/x"),
        ("//home//ada//x", "~//x"),
        ("/srv/data/x", "/srv/data/x"),
    ],
)
def test_a_home_is_a_tilde_however_it_is_spelled(said: str, shown: str) -> None:
    assert discreet(said, ADA) == shown


def test_the_root_of_a_container_is_nobodys_home() -> None:
    assert discreet("/usr/lib/x", Private(homes=("/", ""), user="root")) == "/usr/lib/x"
    assert discreet("/root/x /homes/root/x", Private(homes=("/root",), user="root")) == "~/x /homes/root/x"


@pytest.mark.parametrize(
    "said",
    [
        "ya29.a0AbCdEfGhIj",
        "1//0gAbCdEfGhIj",
        "refresh_token=1%2F%2F0gAbCdEfGhIj",
        "GOCSPX-AbCdEfGhIj",
        "ghp_AbCdEfGhIjKlMnOp",
        "hf_AbCdEfGhIjKlMnOp",
        "AKIAABCDEFGHIJKLMNOP",
        "eyJhbGciOiJI.eyJzdWIiOiIx.AbCdEfGhIj",
        "-----BEGIN RSA PRIVATE KEY-----\nAbCdEfGhIj\n-----END RSA PRIVATE KEY-----",
        "https://ada:AbCdEfGhIj@host/x",
        "Authorization: Bearer AbCdEfGhIj",
        '{"client_secret": "AbCdEfGhIj"}',
        "password: AbCdEfGhIj",
        "\\'api_key\\': \\'AbCdEfGhIj\\'",
    ],
)
def test_what_has_the_shape_of_a_secret_is_hidden(said: str) -> None:
    shown = discreet(said, Private())
    assert HIDDEN in shown
    assert "AbCdEfGhIj" not in shown
    assert "ABCDEFGHIJ" not in shown


@pytest.mark.parametrize("name", ["QCQUEUE_TOKEN", "QCQUEUE_CLIENT", "AWS_SECRET_ACCESS_KEY", "MY_PASSWORD", "API_KEY"])
def test_values_of_telling_names_in_the_environment_are_hidden(name: str) -> None:
    private = Private(secrets=secrets_in({name: json.dumps(TOKEN), "PATH": "/usr/bin:/bin"}))
    said = f"{TOKEN['refresh_token']} {TOKEN['client_secret']} /usr/bin:/bin"
    assert discreet(said, private) == f"{HIDDEN} {HIDDEN} /usr/bin:/bin"
    assert TOKEN["refresh_token"] not in repr(private)


@pytest.mark.parametrize("name", ["KAGGLE_KEY", "STORAGE_ACCOUNT_KEY", "DB_PASS", "PASS", "MYSQL_PWD", "SENTRY_DSN"])
def test_a_variable_that_is_named_as_a_secret_is_one(name: str) -> None:
    private = Private(secrets=secrets_in({name: "AbCdEfGhIj", "PWD": "/srv/data", "MONKEY": "capuchin-1"}))
    assert discreet("AbCdEfGhIj in /srv/data of capuchin-1", private) == f"{HIDDEN} in /srv/data of capuchin-1"


def test_a_plain_value_is_hidden_also_as_an_address_would_quote_it() -> None:
    private = Private(secrets=secrets_in({"WANDB_API_KEY": "a+b/c=d&e f", "SHORT_TOKEN": "no"}))
    assert discreet("a+b/c=d&e f a%2Bb%2Fc%3Dd%26e%20f no", private) == f"{HIDDEN} {HIDDEN} no"


def test_a_bar_that_redraws_itself_is_shown_once_and_colours_not_at_all() -> None:
    said = " 1/9\r 2/9\r 9/9\r\n\x1b[31mred\x1b[0m\x1b]0;title\x07 \x1b]8;;http://x\x1b\\link\n1/3\b\b\b2/3\n\x07bell"
    assert readable(said) == " 9/9\nred link\n2/3\n\\x07bell"


def test_an_endless_line_keeps_its_beginning_and_its_end() -> None:
    shown = kept_end(b"begins " + b"x" * 100_000 + b" ends\nlast", Private())
    assert shown.splitlines()[0].endswith("xxx ends")
    assert len(shown) < 1100


def test_a_secret_that_the_cut_would_halve_is_not_there_at_all() -> None:
    secret = "s" * 5_000
    private = Private(secrets=(secret,))
    for left in range(63_000, 66_000, 97):
        shown = kept_end(b"x" * 10 + secret.encode() + b"y" * (left - 5_000), private)
        assert "sss" not in shown


@given(st.binary(max_size=30_000))
def test_whatever_was_printed_what_is_kept_is_short_and_printable(printed: bytes) -> None:
    shown = kept_end(printed, ADA)
    assert len(shown.encode()) <= MOST_BYTES
    assert all(char.isprintable() or char == "\n" for char in shown)


@pytest.mark.parametrize("junk", ["/", "eyJ-", "/a", "\x1b", "\x1b]", "\r", "a\b", "://", "password=", "1//", "C:\\"])
def test_no_output_is_too_odd_to_be_looked_through(junk: str) -> None:
    assert len(kept_end((junk * (500_000 // len(junk))).encode(), ADA)) <= MOST_BYTES
