"""Reads sessions by country and writes how many there are, and how many pages they saw."""

from itertools import groupby
from operator import itemgetter

from weblog.rows import read_rows, write_row


def main():
    for country, group in groupby(read_rows(), key=itemgetter("country")):
        sessions = list(group)
        write_row(
            {
                "country": country,
                "sessions": len(sessions),
                "visitors": len({session["visitor"] for session in sessions}),
                "pages": sum(session["pages"] for session in sessions),
            }
        )


if __name__ == "__main__":
    main()
