output "listener_arn" {
  value = aws_lb_listener.app.arn
}

output "target_groups" {
  value = { for slot, group in aws_lb_target_group.slot : slot => group.arn }
}

output "journal" {
  value = aws_dynamodb_table.journal.name
}

output "groups" {
  value = { for slot, group in aws_autoscaling_group.slot : slot => group.name }
}
