#!/bin/sh
# The whole suite on the lowest versions that pyproject.toml allows (pandas 2.2 among them), and
# what of the code it covers: counting that takes half as long again, which `make test` is without.
set -eu
cd "$(dirname "$0")/.."
venv=.venv-lowest
python=${PYTHON:-python3}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e '.[notebook,test]' -c tests/lowest.txt
exec "$venv/bin/python" -m pytest -m "not long" -n 2 --dist loadfile -W default \
    --cov --cov-report=term --ignore tests/browser tests
