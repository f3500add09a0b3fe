import os
import unittest

import notes
import psycopg2


class NotesTest(unittest.TestCase):
    def setUp(self):
        self.connection = notes.connect(os.environ["DATABASE"])

    def tearDown(self):
        self.connection.close()

    def test_a_note_is_kept(self):
        note = notes.add(self.connection, "buy milk")
        self.assertEqual(notes.get(self.connection, note), "buy milk")

    def test_an_empty_note_is_refused(self):
        with self.assertRaises(psycopg2.IntegrityError):
            notes.add(self.connection, "")
