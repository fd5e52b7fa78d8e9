"""The look-up in Django, Django REST framework and django-redis."""
