"""Reads hits by visitor and time and writes sessions."""

from itertools import groupby
from operator import itemgetter

from weblog.rows import read_rows, write_row
from weblog.sessions import split_sessions


def main():
    for _, hits in groupby(read_rows(), key=itemgetter("visitor")):
        for session in split_sessions(hits):
            write_row(session)


if __name__ == "__main__":
    main()
