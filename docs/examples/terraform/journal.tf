# The journal of the releases, outside the job that runs one: an item for each listener, with the lock and the history.

resource "aws_dynamodb_table" "journal" {
  name                        = "${var.name}-journal"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "id"
  deletion_protection_enabled = true

  attribute {
    name = "id"
    type = "S"
  }

  # Written only where the journal's option retention says how long a journal is kept after its last change.
  ttl {
    attribute_name = "expires"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }
}
