import time

import psycopg2


def connect(database, seconds=30):
    """Connects to a database that may still be starting."""
    end = time.monotonic() + seconds
    while True:
        try:
            return psycopg2.connect(database)
        except psycopg2.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def add(connection, body):
    with connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO note (body) VALUES (%s) RETURNING id", (body,))
        return cursor.fetchone()[0]


def get(connection, note):
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT body FROM note WHERE id = %s", (note,))
        row = cursor.fetchone()
        return row and row[0]
