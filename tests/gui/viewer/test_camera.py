from __future__ import annotations

import pytest
from PySide6.QtCore import QPointF, QSizeF

from saliency_viewer.gui.viewer.camera import LARGEST_ZOOM, SMALLEST_ZOOM, Camera


@pytest.fixture
def camera() -> Camera:
    return Camera(QSizeF(100, 50), QSizeF(1.0, 3.0), QSizeF(400, 300))


def test_fit_shows_the_whole_picture_in_its_true_aspect_ratio(camera):
    rect = camera.picture_rect()  # 100 mm x 150 mm into 400 x 300: the height decides
    assert (rect.width(), rect.height()) == pytest.approx((200, 300))
    assert (rect.center().x(), rect.center().y()) == pytest.approx((200, 150))


def test_zooming_keeps_what_is_under_the_cursor(camera):
    anchor = QPointF(260, 90)
    before = camera.to_picture(anchor)
    camera.zoom_at(2.5, anchor)
    after = camera.to_picture(anchor)
    assert camera.zoom == pytest.approx(2.5)
    assert (after.x(), after.y()) == pytest.approx((before.x(), before.y()))


def test_zoom_stays_within_its_limits(camera):
    camera.zoom_at(1e9, QPointF(200, 150))
    assert camera.zoom == LARGEST_ZOOM
    camera.zoom_at(1e-9, QPointF(200, 150))
    assert camera.zoom == SMALLEST_ZOOM


def test_the_picture_cannot_be_lost_by_panning(camera):
    camera.pan(QPointF(1e6, -1e6))
    rect = camera.picture_rect()
    assert rect.left() == pytest.approx(200)
    assert rect.bottom() == pytest.approx(150)


def test_panning_moves_the_picture_with_the_mouse(camera):
    camera.zoom_at(2.0, QPointF(200, 150))
    before = camera.picture_rect()
    camera.pan(QPointF(13, -7))
    moved = camera.picture_rect().topLeft() - before.topLeft()
    assert (moved.x(), moved.y()) == pytest.approx((13, -7))


def test_resizing_keeps_the_middle(camera):
    camera.zoom_at(3.0, QPointF(120, 80))
    middle = camera.to_picture(QPointF(200, 150))
    camera.viewport = QSizeF(640, 480)
    now = camera.to_picture(QPointF(320, 240))
    assert (now.x(), now.y()) == pytest.approx((middle.x(), middle.y()))
    camera.fit()
    assert camera.picture_rect().height() == pytest.approx(480)
