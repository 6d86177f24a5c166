# A load balancer, and for each of the two slots a target group and an Auto Scaling group. Both slots stay for ever.
# What a release owns is under ignore_changes, so that an apply between two releases, or in the middle of one, moves no
# request and starts or stops no instance.

locals {
  slots = toset(["blue", "green"])
}

resource "aws_security_group" "lb" {
  name        = "${var.name}-lb"
  description = "The front door of ${var.name}"
  vpc_id      = var.vpc_id

  ingress {
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }

  egress {
    from_port   = var.port
    to_port     = var.port
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_security_group" "app" {
  name        = "${var.name}-app"
  description = "Instances of ${var.name}, asked by the load balancer only"
  vpc_id      = var.vpc_id

  ingress {
    from_port       = var.port
    to_port         = var.port
    protocol        = "tcp"
    security_groups = [aws_security_group.lb.id]
  }

  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_lb" "app" {
  name                       = "${var.name}-lb"
  internal                   = false
  load_balancer_type         = "application"
  security_groups            = [aws_security_group.lb.id]
  subnets                    = var.public_subnets
  enable_deletion_protection = true
}

resource "aws_lb_target_group" "slot" {
  for_each = local.slots

  name     = "${var.name}-${each.key}"
  port     = var.port
  protocol = "HTTP"
  vpc_id   = var.vpc_id

  # The longest request. A slot that is scaled down answers for so long what it has begun.
  deregistration_delay = 30

  health_check {
    enabled             = true
    path                = "/health"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "app" {
  load_balancer_arn = aws_lb.app.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn

  # Both groups in one forward: a target group that nothing uses is not health-checked, and would never be ready.
  default_action {
    type = "forward"

    forward {
      target_group {
        arn    = aws_lb_target_group.slot["blue"].arn
        weight = 100
      }

      target_group {
        arn    = aws_lb_target_group.slot["green"].arn
        weight = 0
      }
    }
  }

  lifecycle {
    ignore_changes = [default_action]
  }
}

# The preview route: whoever sends the header asks that slot, at any weight.
resource "aws_lb_listener_rule" "preview" {
  for_each = local.slots

  listener_arn = aws_lb_listener.app.arn
  priority     = each.key == "blue" ? 1 : 2

  condition {
    http_header {
      http_header_name = "X-Release-Slot"
      values           = [each.key]
    }
  }

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.slot[each.key].arn
  }
}

resource "aws_launch_template" "app" {
  name                   = var.name
  image_id               = var.first_ami
  instance_type          = var.instance_type
  vpc_security_group_ids = [aws_security_group.app.id]
  update_default_version = false

  metadata_options {
    http_tokens = "required"
  }

  lifecycle {
    ignore_changes = [image_id]
  }
}

resource "aws_autoscaling_group" "slot" {
  for_each = local.slots

  name                      = "${var.name}-${each.key}"
  vpc_zone_identifier       = var.private_subnets
  target_group_arns         = [aws_lb_target_group.slot[each.key].arn]
  health_check_type         = "ELB"
  health_check_grace_period = 60

  # Blue serves first; a release gives the other slot the size that serves at that moment.
  min_size         = each.key == "blue" ? 2 : 0
  max_size         = 10
  desired_capacity = each.key == "blue" ? 3 : 0

  # A number, never $Latest: a replaced instance of the slot that serves would boot what is only being staged.
  launch_template {
    id      = aws_launch_template.app.id
    version = aws_launch_template.app.latest_version
  }

  tag {
    key                 = "Name"
    value               = "${var.name}-${each.key}"
    propagate_at_launch = true
  }

  lifecycle {
    ignore_changes = [
      min_size,
      max_size,
      desired_capacity,
      launch_template,
      suspended_processes,
      tag,
    ]
  }
}
