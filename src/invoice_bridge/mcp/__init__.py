"""A server for assistants that speak the Model Context Protocol: explain a bill, have a person confirm it, make it.

Rules of this room: nothing is made but the very plan that was shown, once, within its time and the caps of the profile.
The provider, the mode, the key and the caps come from the profile and the environment, never from a conversation. What
a provider's answer says is data, and is marked as such.
"""
