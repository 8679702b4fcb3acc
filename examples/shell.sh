# What the examples of the manual need in a shell: `. examples/shell.sh`, in the folder in which the service was started.
API=http://127.0.0.1:8000/api/v1
AUTH="Authorization: Bearer $(cat var/admin-token)"
JSON='Content-Type: application/json'
api() { curl -sS --fail-with-body -H "$AUTH" "$@" && echo; }
field() { python3 -c "import json, sys; print(json.load(sys.stdin)['$1'])"; }
