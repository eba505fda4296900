"""Makes `twistd toru` known; nothing else is imported here, because a fault would hide the command."""

from twisted.application.service import ServiceMaker

toru = ServiceMaker("toru", "toru.tap", "A host for plugins written in any language.", "toru")
