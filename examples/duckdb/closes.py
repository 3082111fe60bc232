#!/usr/bin/env python3
"""Judges connections from partial records with DuckDB alone, on one machine: a table of verdicts in Parquet.

    closes.py --out closes.parquet 'partials/*.ndjson'      as closecheck read --partial wrote them
    closes.py --out closes.parquet 'partials/*.parquet'     the same with --format parquet, or as the Spark job leaves them

DuckDB reads the partial records and deals the connections out; each share goes through `closecheck merge --some`, as
many at once as there are processors; DuckDB makes the table of what comes back.
"""

import argparse
import concurrent.futures
import os
import subprocess
import sys
import tempfile

import duckdb

# A line is about a connection, by whose key it is dealt out, or about a capture as a whole.
LINES = {
    ".ndjson": "SELECT hash(json ->> '$.key') AS dealt, (json ->> '$.key') IS NULL AS whole, json::VARCHAR AS line "
    "FROM read_ndjson_objects('{}')",
    ".parquet": "SELECT hash(low_ip, low_port, high_ip, high_port, network) AS dealt, low_ip IS NULL AS whole, line "
    "FROM '{}' WHERE line IS NOT NULL",
}
CLOSES = """
    SELECT record ->> '$.start' AS start, record ->> '$.end' AS "end", record ->> '$.file' AS file,
        record ->> '$.client.ip' AS client_ip, (record ->> '$.client.port')::USMALLINT AS client_port,
        record ->> '$.server.ip' AS server_ip, (record ->> '$.server.port')::USMALLINT AS server_port,
        record ->> '$.close.verdict' AS verdict, record ->> '$.close.by' AS by, record ->> '$.close.cause' AS cause,
        record
    FROM (SELECT json AS record FROM read_ndjson_objects('{}'))
    ORDER BY start
"""


def merge(database, closecheck, share, shares, out):
    """Judges a share of the connections into a file; all lines of a key are in one share."""
    lines = database.cursor().execute(
        "SELECT line FROM lines WHERE whole OR dealt % ? = ?", [shares, share]
    )
    with open(out, "wb") as records:
        merging = subprocess.Popen(
            [closecheck, "merge", "--some", "--format", "ndjson", "-"], stdin=subprocess.PIPE, stdout=records
        )
        with merging.stdin as partials:
            while rows := lines.fetchmany(10_000):
                partials.write("".join(line + "\n" for (line,) in rows).encode())
        status = merging.wait()
    if status not in (0, 3):  # 3: a capture is damaged, which its records say
        raise RuntimeError(f"closecheck merge ended with {status}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("partials", metavar="FILES", help="a pattern that ends with .ndjson or .parquet")
    parser.add_argument("--out", required=True, metavar="FILE")
    parser.add_argument("--closecheck", default="closecheck", metavar="PROGRAM")
    parser.add_argument("--shares", type=int, default=os.cpu_count(), metavar="N", help="runs of closecheck merge")
    arguments = parser.parse_args()

    database = duckdb.connect()
    lines = LINES[os.path.splitext(arguments.partials)[1]].format(arguments.partials)
    database.execute(f"CREATE VIEW lines AS {lines}")
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        run = [
            pool.submit(merge, database, arguments.closecheck, share, arguments.shares, f"{folder}/{share}.ndjson")
            for share in range(arguments.shares)
        ]
        for share in run:
            share.result()
        database.execute(f"COPY ({CLOSES.format(f'{folder}/*.ndjson')}) TO '{arguments.out}' (FORMAT parquet)")


if __name__ == "__main__":
    sys.exit(main())
