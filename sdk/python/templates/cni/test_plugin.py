import unittest

from orch_sdk import fake
from orch_sdk.cni import Pod, Settings
from plugin import {{Pascal}}


class Test(unittest.TestCase):
    def test_addresses_are_given_and_taken_back(self):
        driver = {{Pascal}}()
        self.assertRaises(ValueError, driver.configure, Settings(["nonsense"]))
        driver.configure(Settings(["10.244.3.0/30"]))
        first = driver.add(fake.Sandbox(), Pod("a"))
        self.assertEqual(first.ips, ["10.244.3.1"])
        self.assertEqual(driver.add(fake.Sandbox(), Pod("a")), first)
        self.assertEqual(driver.add(fake.Sandbox(), Pod("b")).ips, ["10.244.3.2"])
        self.assertRaises(RuntimeError, driver.add, fake.Sandbox(), Pod("c"))
        driver.delete(fake.Sandbox(), first)
        self.assertEqual(driver.add(fake.Sandbox(), Pod("c")).ips, ["10.244.3.1"])


if __name__ == "__main__":
    unittest.main()
