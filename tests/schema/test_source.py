"""Checks what no foreign key can see: the ids inside the JSON columns of json-source.

python3 -m unittest discover tests/schema
"""

import json
import unittest
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "json-source"


def load(table):
    rows = json.loads((SOURCE / f"{table}.json").read_text("utf-8"))
    if isinstance(rows, dict):  # A map: its keys are the rows' ids.
        return {key: {"id": key} for key in rows}
    return {row["id"]: row for row in rows}


TABLES = {path.stem: load(path.stem) for path in sorted(SOURCE.glob("*.json"))}
ACTIVE = {
    table: {key for key, row in rows.items() if row.get("is_active", True)}
    for table, rows in TABLES.items()
}


class TheSource(unittest.TestCase):
    def names(self, table, keys, place):
        """Asserts that all keys are active rows of a table."""
        self.assertEqual(set(keys) - ACTIVE[table], set(), f"{place}: no such {table}")

    def each(self, table, column):
        """The active rows' values of a column, with their places; nulls left out."""
        for key in sorted(ACTIVE[table]):
            value = TABLES[table][key].get(column)
            if value is not None:
                yield f"{table}.json: {key}: {column}", value

    def test_muscles_stand_below_muscles(self):
        for place, parents in self.each("muscles", "parent_ids"):
            self.names("muscles", parents, place)

    def test_targets_are_nested_as_muscles_are_and_a_group_is_the_sum_of_its_parts(self):
        for place, targets in self.each("motions", "muscle_targets"):
            self.check_targets(place, None, targets)

    def check_targets(self, place, group, targets):
        self.names("muscles", targets.keys() - {"_score"}, place)
        parts = {muscle: part for muscle, part in targets.items() if muscle != "_score"}
        for muscle, part in parts.items():
            if group:
                self.assertIn(group, TABLES["muscles"][muscle]["parent_ids"], f"{place}: {muscle}")
            self.check_targets(place, muscle, part)
        if group and parts:
            total = sum(part["_score"] for part in parts.values())
            self.assertAlmostEqual(targets["_score"], total, places=2, msg=f"{place}: {group}")

    def test_rules_name_motions_and_muscles_and_leave_no_muscle_below_zero(self):
        for table in TABLES:
            for place, rules in self.each(table, "delta_rules"):
                self.names("motions", rules, place)
                for motion, deltas in dict(rules).items():
                    self.names("muscles", deltas, f"{place}: {motion}")
                    scores = flatten(TABLES["motions"][motion]["muscle_targets"])
                    for muscle, delta in deltas.items():
                        rest = scores.get(muscle, 0) + delta
                        self.assertGreaterEqual(round(rest, 2), 0, f"{place}: {motion}: {muscle}")

    def test_defaults_and_constraints_name_rows_of_the_tables_they_are_for(self):
        for place, defaults in self.each("motions", "default_delta_configs"):
            for table, key in defaults.items():
                self.names(table, [key], place)
        for place, constraints in self.each("equipment", "modifier_constraints"):
            for table, keys in constraints.items():
                self.names(table, keys, place)

    def test_a_turning_grip_turns_from_one_grip_to_another(self):
        for place, path in self.each("grips", "rotation_path"):
            self.names("grips", [path["start"], path["end"]], place)
            self.assertNotEqual(path["start"], path["end"], place)
        for key in ACTIVE["grips"]:
            grip = TABLES["grips"][key]
            self.assertEqual(
                grip["is_dynamic"], grip["rotation_path"] is not None or key == "ROTATING", key
            )

    def test_an_angle_that_may_be_set_starts_within_its_range(self):
        for place, angle in self.each("torsoAngles", "angle_range"):
            self.assertTrue(angle["min"] <= angle["default"] <= angle["max"], place)


def flatten(targets):
    """Every muscle's score, whatever the depth."""
    scores = {}
    for muscle, part in targets.items():
        if muscle != "_score":
            scores[muscle] = part["_score"]
            scores.update(flatten(part))
    return scores


if __name__ == "__main__":
    unittest.main()
