import unittest

from orch_sdk import fake
from orch_sdk.csi import NewVolume, Pod, VolumeUse
from plugin import {{Pascal}}


class Test(unittest.TestCase):
    def setUp(self):
        self.driver, self.volume = {{Pascal}}(), fake.Directory()
        self.made = self.driver.create_volume(NewVolume("v", required_bytes=1 << 20), self.volume, None)

    def test_volumes_are_taken_away_whole_and_twice(self):
        self.volume.write("data/file", b"x")
        for _ in range(2):
            self.driver.delete_volume("v", {}, self.volume)
            self.assertEqual(self.volume.entries(), [])

    def test_what_is_shown_can_be_hidden_again(self):
        self.assertEqual((self.made.volume_id, self.made.capacity_bytes), ("v", 1 << 20))
        target = fake.Directory()
        self.driver.publish(VolumeUse("v"), Pod("shop", "web"), True, self.volume, None, target)
        self.assertEqual(target.mounted, (self.volume, "data", True))
        self.driver.unpublish("v", target)
        self.assertFalse(target.is_mounted())


if __name__ == "__main__":
    unittest.main()
