"""The pages about notifications: who is told, by what, who is on call, and what was sent."""
