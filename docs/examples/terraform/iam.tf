# What the role of a release may do, and nothing more. AWS takes no resource for most descriptions.

data "aws_caller_identity" "current" {}

data "aws_iam_policy_document" "release" {
  statement {
    sid    = "Look"
    effect = "Allow"

    actions = [
      "autoscaling:DescribeAutoScalingGroups",
      "autoscaling:DescribeScalingActivities",
      "cloudwatch:GetMetricData",
      "ec2:DescribeLaunchTemplateVersions",
      "elasticloadbalancing:DescribeListeners",
      "elasticloadbalancing:DescribeTargetGroupAttributes",
      "elasticloadbalancing:DescribeTargetHealth",
    ]

    resources = ["*"]
  }

  statement {
    sid       = "MoveTraffic"
    effect    = "Allow"
    actions   = ["elasticloadbalancing:ModifyListener"]
    resources = [aws_lb_listener.app.arn]
  }

  statement {
    sid    = "SizeTheSlots"
    effect = "Allow"

    actions = [
      "autoscaling:CreateOrUpdateTags",
      "autoscaling:DeleteTags",
      "autoscaling:ResumeProcesses",
      "autoscaling:SuspendProcesses",
      "autoscaling:TerminateInstanceInAutoScalingGroup",
      "autoscaling:UpdateAutoScalingGroup",
    ]

    resources = [for group in aws_autoscaling_group.slot : group.arn]
  }

  statement {
    sid       = "StageARevision"
    effect    = "Allow"
    actions   = ["ec2:CreateLaunchTemplateVersion"]
    resources = [aws_launch_template.app.arn]
  }

  statement {
    sid    = "KeepTheJournal"
    effect = "Allow"

    actions = [
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:Scan",
    ]

    resources = [aws_dynamodb_table.journal.arn]
  }

  statement {
    sid       = "ReadTheConsoleOfAFailedInstance"
    effect    = "Allow"
    actions   = ["ec2:GetConsoleOutput"]
    resources = ["arn:aws:ec2:${var.region}:${data.aws_caller_identity.current.account_id}:instance/*"]
  }

  # AWS asks for it when a group is given a version of a launch template; the release itself starts no instance.
  statement {
    sid       = "GiveAGroupALaunchTemplate"
    effect    = "Allow"
    actions   = ["ec2:RunInstances"]
    resources = ["*"]

    condition {
      test     = "ArnLike"
      variable = "ec2:LaunchTemplate"
      values   = [aws_launch_template.app.arn]
    }
  }
}

resource "aws_iam_policy" "release" {
  name   = "${var.name}-release"
  policy = data.aws_iam_policy_document.release.json
}
