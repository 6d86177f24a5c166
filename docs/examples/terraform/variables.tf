variable "region" {
  type    = string
  default = "eu-central-1"
}

variable "name" {
  description = "The name of the application; every resource begins with it."
  type        = string
  default     = "shop"
}

variable "vpc_id" {
  type = string
}

variable "public_subnets" {
  description = "At least two, in different zones, for the load balancer."
  type        = list(string)
}

variable "private_subnets" {
  description = "For the instances."
  type        = list(string)
}

variable "certificate_arn" {
  description = "The certificate of the front door, in ACM."
  type        = string
}

variable "first_ami" {
  description = "The AMI of the first version of the launch template. Releases bring their own."
  type        = string
}

variable "instance_type" {
  type    = string
  default = "t3.small"
}

variable "port" {
  description = "The port of the application on its instances."
  type        = number
  default     = 8080
}
