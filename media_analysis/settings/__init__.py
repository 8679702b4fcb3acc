"""Settings: one frozen tree from defaults, a YAML file, the environment and the command line."""

from media_analysis.settings.cron import cron_trigger, cron_trigger_fields
from media_analysis.settings.load import LoadedSettings, SettingRow, describe, effective, load_settings
from media_analysis.settings.model import Settings
from media_analysis.settings.names import CONFIG_VARIABLE, Leaf, environment_name, leaves, variables
from media_analysis.settings.policy import configured_policy, policy_of_tree, read_policy_file

__all__ = [
    "CONFIG_VARIABLE",
    "Leaf",
    "LoadedSettings",
    "SettingRow",
    "Settings",
    "configured_policy",
    "cron_trigger",
    "cron_trigger_fields",
    "describe",
    "effective",
    "environment_name",
    "leaves",
    "load_settings",
    "policy_of_tree",
    "read_policy_file",
    "variables",
]
