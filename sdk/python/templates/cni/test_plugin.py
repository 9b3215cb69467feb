import unittest

from orch_sdk import fake
from orch_sdk.cni import Pod, Settings
from plugin import {{Pascal}}


class Test(unittest.TestCase):
    def test_addresses_are_given_and_taken_back(self):
        driver, sandbox = {{Pascal}}(), fake.Sandbox()
        self.assertRaises(ValueError, driver.configure, Settings())
        driver.configure(Settings(["10.244.3.0/30"]))
        first = driver.add(sandbox, Pod("a"))
        self.assertEqual(first.ips, ["10.244.3.1"])
        self.assertEqual(driver.add(sandbox, Pod("a")), first)
        self.assertEqual(driver.add(sandbox, Pod("b")).ips, ["10.244.3.2"])
        self.assertRaises(RuntimeError, driver.add, sandbox, Pod("c"))
        driver.delete(sandbox, first)
        self.assertEqual(driver.add(sandbox, Pod("c")).ips, first.ips)
        self.assertIn(("add_address", "sandbox", "10.244.3.2/32"), sandbox.calls)


if __name__ == "__main__":
    unittest.main()
