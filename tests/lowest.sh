#!/bin/sh
# The whole suite on the lowest versions that pyproject.toml allows (pandas 2.2 among them).
set -eu
cd "$(dirname "$0")/.."
venv=.venv-lowest
python=${PYTHON:-python3}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e '.[notebook,test]' -c tests/lowest.txt
exec "$venv/bin/python" -m pytest -m "not long" -n 2 --dist loadfile -W default --ignore tests/browser tests
