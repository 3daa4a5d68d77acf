"""The canonical form against the examples of RFC 8785."""

import struct
import unittest

from canonical import parse, render, render_number


# RFC 8785, appendix B.
NUMBERS = """
0000000000000000 0
8000000000000000 0
0000000000000001 5e-324
8000000000000001 -5e-324
7fefffffffffffff 1.7976931348623157e+308
ffefffffffffffff -1.7976931348623157e+308
4340000000000000 9007199254740992
c340000000000000 -9007199254740992
4430000000000000 295147905179352830000
44b52d02c7e14af5 9.999999999999997e+22
44b52d02c7e14af6 1e+23
44b52d02c7e14af7 1.0000000000000001e+23
444b1ae4d6e2ef4e 999999999999999700000
444b1ae4d6e2ef4f 999999999999999900000
444b1ae4d6e2ef50 1e+21
3eb0c6f7a0b5ed8c 9.999999999999997e-7
3eb0c6f7a0b5ed8d 0.000001
41b3de4355555553 333333333.3333332
41b3de4355555554 333333333.33333325
41b3de4355555555 333333333.3333333
41b3de4355555556 333333333.3333334
41b3de4355555557 333333333.33333343
becbf647612f3696 -0.0000033333333333333333
43143ff3c1cb0959 1424953923781206.2
"""


class Canonical(unittest.TestCase):
    def test_numbers_are_written_as_rfc_8785_lists_them(self):
        for line in NUMBERS.split("\n"):
            if line:
                bits, expected = line.split()
                (number,) = struct.unpack(">d", bytes.fromhex(bits))
                self.assertEqual(render_number(number), expected)

    def test_nan_and_infinity_have_no_form(self):
        for number in (float("nan"), float("inf"), float("-inf")):
            self.assertRaises(ValueError, render_number, number)

    def test_the_example_of_rfc_8785_section_3_2_2(self):
        source = (
            '{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],\n'
            '"string": "\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/",\n'
            '"literals": [null, true, false]}'
        )
        expected = (
            '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
            '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
        )
        self.assertEqual(render(parse(source)), expected)

    def test_keys_sort_by_their_utf8_bytes(self):
        # By UTF-16 units, as RFC 8785 has it, U+FB33 would come after U+1F600.
        source = '{"\U0001f600":1,"\ufb33":2,"b":3,"B":4,"":5}'
        expected = '{"":5,"B":4,"b":3,"\ufb33":2,"\U0001f600":1}'
        self.assertEqual(render(parse(source)), expected)

    def test_a_number_keeps_its_spelling_and_its_exact_value(self):
        number = parse("0.30000000000000000001")
        self.assertEqual(number.text, "0.30000000000000000001")
        self.assertNotEqual(number.value, parse("0.3").value)
        self.assertEqual(parse("1.50").value, parse("15e-1").value)

    def test_what_readers_disagree_on_is_refused(self):
        for text in ('{"a":1,"a":2}', "[NaN]", "[Infinity]", "[1,]", "{'a':1}"):
            self.assertRaises(ValueError, parse, text)


if __name__ == "__main__":
    unittest.main()
