"""Language models whose vocabulary has tokens for media: what released systems of them share."""
