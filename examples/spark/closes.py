#!/usr/bin/env python3
"""Judges how every TCP connection in many captures ended, with Spark: a table of verdicts in Parquet.

    spark-submit closes.py --out DIR CAPTURE|FOLDER...

Connections cross the borders of files, so it takes two steps. First one task a capture runs
`closecheck read --partial`; the partial records land in DIR/partials, with the columns that `--format parquet` gives
them. Then these are brought together by connection, and each task runs `closecheck merge --some` over its share; the verdicts land in DIR/closes and
what there is to say of each capture in DIR/captures. Spark does all scheduling, shuffling and retrying.

A capture that is damaged gives what stands before the damage; one that cannot be read at all gives none. Both are
in DIR/captures with the reason. The job fails only where a task fails again and again for another reason.

All paths are read by the workers: they must see them under the same names, and `closecheck` must be there.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

SUFFIXES = (".pcap", ".pcapng", ".cap")
COMPRESSED = ("", ".gz", ".zst")

# What partial records are brought together by; null in the row of a capture as a whole.
KEY = ["low_ip", "low_port", "high_ip", "high_port", "network"]
PARTIAL = T.StructType([
    T.StructField("low_ip", T.StringType()),
    T.StructField("low_port", T.IntegerType()),
    T.StructField("high_ip", T.StringType()),
    T.StructField("high_port", T.IntegerType()),
    T.StructField("network", T.LongType()),
    T.StructField("first", T.LongType()),
    T.StructField("packets", T.LongType()),
    T.StructField("line", T.StringType()),
    # Of a capture that could not be read at all: there is no line then.
    T.StructField("name", T.StringType()),
    T.StructField("fault", T.StringType()),
])
CAPTURE = T.StructType([
    T.StructField("name", T.StringType(), False),
    T.StructField("packets", T.LongType()),
    T.StructField("segments", T.LongType()),
    T.StructField("dropped", T.LongType()),
    T.StructField("fault", T.StringType()),
])
# Of a record, what tables are asked for; the record itself is beside it, whole.
CLOSE = """
    struct<file: string, start: string, end: string, orientation: string,
        client: struct<ip: string, port: int>, server: struct<ip: string, port: int>,
        close: struct<verdict: string, by: string, cause: string, confidence: string, complete: boolean>,
        bytes: struct<client: bigint, server: bigint>, packets: struct<client: bigint, server: bigint>>
"""


def captures(paths):
    """All captures, in the order in which one pass would be given them: by name."""
    for path in paths:
        if not os.path.isdir(path):
            yield path
            continue
        for name in sorted(os.listdir(path)):
            if name.endswith(tuple(kind + packed for kind in SUFFIXES for packed in COMPRESSED)):
                yield os.path.join(path, name)


def key(text):
    """`10.0.0.1:40000 10.0.0.2:443` and perhaps the number of a network, as columns."""
    if text is None:
        return (None,) * len(KEY)
    *ends, network = (text + " ").split(" ")[:3]
    (low_ip, _, low_port), (high_ip, _, high_port) = (end.rpartition(":") for end in ends)
    return (
        low_ip.strip("[]"), int(low_port), high_ip.strip("[]"), int(high_port), int(network) if network else None,
    )


def read_one(closecheck, place, path):
    """Partial records of one capture, as rows."""
    with tempfile.TemporaryFile() as lines, tempfile.TemporaryFile() as words:
        command = [closecheck, "read", "--partial", "--place", str(place), path]
        status = subprocess.run(command, stdout=lines, stderr=words).returncode
        lines.seek(0)
        words.seek(0)
        reason = words.read().decode(errors="replace").strip()
        if status in (0, 3):  # 3: the capture is damaged, and its line says so
            for line in lines:
                line = line.decode().rstrip("\n")
                told = json.loads(line)
                yield *key(told.get("key")), told["first"], told["packets"], line, None, None
        elif status == 2:
            yield *key(None), None, None, None, path, reason
        else:  # a signal, say: Spark tries again
            raise RuntimeError(f"closecheck read {path} ended with {status}: {reason}")


def merge_share(closecheck, wholes, lines):
    """The records of the connections in a share of the partial records; all lines of a key are in it."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".ndjson") as share:
        empty = True
        for line in lines:
            empty = False
            share.write(line + "\n")
        if empty:
            return
        share.writelines(line + "\n" for line in wholes)
        share.flush()
        command = [closecheck, "merge", "--some", "--format", "ndjson", share.name]
        with tempfile.TemporaryFile() as words:
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=words) as merging:
                for line in merging.stdout:
                    yield line.decode().rstrip("\n")
            if merging.returncode not in (0, 3):
                words.seek(0)
                reason = words.read().decode(errors="replace").strip()
                raise RuntimeError(f"closecheck merge ended with {merging.returncode}: {reason}")


def run(spark, closecheck, paths, out, shares):
    """Both steps; gives the number of connections and of captures that were not read to their end."""
    context = spark.sparkContext
    files = list(enumerate(captures(paths)))
    partials = (
        context.parallelize(files, max(len(files), 1))
        .flatMap(lambda file: read_one(closecheck, *file))
        .toDF(PARTIAL)
    )
    partials.write.mode("overwrite").parquet(f"{out}/partials")

    partials = spark.read.schema(PARTIAL).parquet(f"{out}/partials")
    wholes = partials.where(F.col("low_ip").isNull()).collect()
    told = [json.loads(row.line) if row.line else {"name": row.name, "fault": row.fault} for row in wholes]
    rows = [tuple(whole.get(field.name) for field in CAPTURE) for whole in told]
    spark.createDataFrame(rows, CAPTURE).coalesce(1).write.mode("overwrite").parquet(f"{out}/captures")

    # Each share needs the lines of all captures: there are few of them.
    read = context.broadcast([row.line for row in wholes if row.line])
    records = (
        partials.where(F.col("low_ip").isNotNull())
        .repartition(shares, *KEY)
        .rdd.mapPartitions(lambda rows: merge_share(closecheck, read.value, (row.line for row in rows)))
        .map(lambda record: (record,))
        .toDF("record string")
    )
    parsed = F.from_json("record", CLOSE).alias("it")
    closes = records.select("record", parsed).select(
        F.to_timestamp("it.start").alias("start"),
        F.to_timestamp("it.end").alias("end"),
        F.col("it.file").alias("file"),
        *(F.col(f"it.{end}.{part}").alias(f"{end}_{part}") for end in ("client", "server") for part in ("ip", "port")),
        *(F.col(f"it.close.{name}").alias(name) for name in ("verdict", "by", "cause", "confidence", "complete")),
        *(F.col(f"it.{what}.{end}").alias(f"{end}_{what}") for what in ("packets", "bytes") for end in ("client", "server")),
        "record",
    )
    closes.write.mode("overwrite").parquet(f"{out}/closes")
    return spark.read.parquet(f"{out}/closes").count(), sum(whole.get("fault") is not None for whole in told)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("captures", nargs="+", metavar="CAPTURE|FOLDER")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for partials, captures and closes")
    parser.add_argument("--closecheck", default="closecheck", metavar="PROGRAM")
    parser.add_argument("--shares", type=int, default=200, metavar="N", help="tasks of the second step")
    arguments = parser.parse_args()
    spark = SparkSession.builder.appName("closes").getOrCreate()
    connections, damaged = run(spark, arguments.closecheck, arguments.captures, arguments.out, arguments.shares)
    print(f"{connections} connections; {damaged} captures not read to their end")
    spark.stop()


if __name__ == "__main__":
    sys.exit(main())
