"""An analyser of its own: counts how often each byte occurs. It needs the service's address and a token, no more."""

import collections, json, sys, urllib.parse, urllib.request

service, token = sys.argv[1], open(sys.argv[2]).read().strip()


def call(method, path, body=None, **query):
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    url = f"{service}{path}{'&' if '?' in path else '?'}{urllib.parse.urlencode(query)}"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method)) as answer:
        return answer.read()


while claim := call("POST", "/api/v1/jobs/claims", {"analysers": ["bytes"], "worker": "bytes-1"}):
    run = json.loads(claim)
    job, fence = f"/api/v1/jobs/{run['job_id']}", {"fence": run["fence"]}
    try:
        for number, source in enumerate(run["sources"]):
            counts = collections.Counter(call("GET", source["content_url"]))
            call("POST", f"{job}/heartbeat", {**fence, "progress": number / len(run["sources"])})
            about = {**fence, "source_file_id": source["file_id"]}
            call("PUT", f"{job}/results/bytes", {"distinct": len(counts), "top": counts.most_common(3)}, **about)
            table = "".join(f"{byte},{count}\n" for byte, count in sorted(counts.items()))
            call("POST", f"{job}/products", table.encode(), role="table", ordinal=number, filename="b.csv", **about)
        call("POST", f"{job}/finish", fence)
    except Exception as error:
        call("POST", f"{job}/fail", {**fence, "code": "no_luck", "detail": str(error), "may_pass": True})
