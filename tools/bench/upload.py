"""Uploads vectors, with their words as payload or without, by qdrant_client.upload_points over gRPC, and prints how long that alone took, as JSON.

Building the points is not in the time. Starting the workers is, as it is within upload_points; how long that takes is printed beside it.
"""

import array
import json
import sys
import time

from qdrant_client import QdrantClient, models


def read_fbin(path):
    with open(path, "rb") as file:
        rows, dimensions = array.array("I", file.read(8))
        values = array.array("f")
        values.fromfile(file, rows * dimensions)
    flat = values.tolist()
    return [flat[i : i + dimensions] for i in range(0, len(flat), dimensions)]


def main():
    task = json.load(sys.stdin)
    vectors = read_fbin(task["fbin"])
    payloads = [None] * len(vectors)
    if "words" in task:
        with open(task["words"], encoding="utf-8") as file:
            payloads = [{"word": word, "letter": word[:1], "length": len(word)} for word in json.load(file)]
    points = [
        models.PointStruct(id=i, vector=vector, payload=payload)
        for i, (vector, payload) in enumerate(zip(vectors, payloads))
    ]
    client = QdrantClient(
        host=task["host"],
        grpc_port=task["port"],
        prefer_grpc=True,
        https=False,
        api_key=task.get("api_key"),
        check_compatibility=False,
    )
    # One point for each worker: what this takes is starting them. The points are written again below.
    begin = time.perf_counter()
    client.upload_points(task["collection"], points[: task["parallel"]], batch_size=1, parallel=task["parallel"])
    start = time.perf_counter() - begin

    begin = time.perf_counter()
    client.upload_points(task["collection"], points, batch_size=task["batch"], parallel=task["parallel"])
    # The same end as everybody's: an operation by a filter that reaches all shards and waits for its turn.
    client.delete(
        task["collection"],
        points_selector=models.FilterSelector(filter=models.Filter(must=[models.HasIdCondition(has_id=[1 << 62])])),
        wait=True,
    )
    count = client.count(task["collection"], exact=True).count
    seconds = time.perf_counter() - begin
    print(json.dumps({"points": count, "seconds": seconds, "start_seconds": start}))


if __name__ == "__main__":
    main()
