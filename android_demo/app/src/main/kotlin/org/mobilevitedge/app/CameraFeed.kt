package org.mobilevitedge.app

import android.graphics.ImageFormat
import android.graphics.SurfaceTexture
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraCaptureSession
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraManager
import android.hardware.camera2.CaptureRequest
import android.media.Image
import android.media.ImageReader
import android.os.Handler
import android.os.HandlerThread
import android.util.Size
import android.view.Surface
import java.io.Closeable
import org.mobilevitedge.core.CameraSizes
import org.mobilevitedge.core.FrameSize
import org.mobilevitedge.core.Pixels
import org.mobilevitedge.core.Yuv

/**
 * One camera's frames, upright, to [work] on a thread of its own; frames that come while it works are
 * dropped, all but the newest. [failed] hears why there are none.
 */
class CameraFeed(
    private val manager: CameraManager,
    private val id: String,
    val sizes: CameraSizes,
    private val work: (Pixels) -> Unit,
    private val failed: (String) -> Unit,
) : Closeable {
    private val thread = HandlerThread("camera").apply { start() }
    private val handler = Handler(thread.looper)
    private val characteristics = manager.getCameraCharacteristics(id)
    private var device: CameraDevice? = null
    private var reader: ImageReader? = null
    private var surface: Surface? = null
    private var closed = false

    @Volatile
    private var displayDegrees = 0

    /** How far the sensor's image must be turned clockwise on a device held upright. */
    val sensorDegrees: Int = characteristics.get(CameraCharacteristics.SENSOR_ORIENTATION) ?: 0

    val isFront: Boolean = characteristics.get(CameraCharacteristics.LENS_FACING) == CameraCharacteristics.LENS_FACING_FRONT

    /** Show the preview on [texture] of a display turned by [degrees] from its natural position. */
    fun open(texture: SurfaceTexture, degrees: Int) {
        displayDegrees = degrees
        texture.setDefaultBufferSize(sizes.preview.width, sizes.preview.height)
        val preview = Surface(texture)
        val images = ImageReader.newInstance(sizes.frames.width, sizes.frames.height, ImageFormat.YUV_420_888, 2)
        images.setOnImageAvailableListener({ next(it) }, handler)
        handler.post {
            surface = preview
            reader = images
            try {
                manager.openCamera(id, Opened(preview, images), handler)
            } catch (error: CameraAccessException) {
                failed(error.message ?: "the camera cannot be opened")
            } catch (error: SecurityException) {
                failed(error.message ?: "the camera may not be used")
            }
        }
    }

    /** The display has turned. */
    fun turn(degrees: Int) {
        displayDegrees = degrees
    }

    /** Returns when the frame that is being worked on has ended: nothing calls [work] afterwards. */
    override fun close() {
        handler.post {
            closed = true
            device?.close()
            reader?.close()
            surface?.release()
            thread.quitSafely()
        }
        thread.join(CLOSE_MS)
    }

    private fun next(images: ImageReader) {
        if (closed) return
        val pixels = images.acquireLatestImage()?.use(::upright) ?: return
        work(pixels)
    }

    private fun upright(image: Image): Pixels {
        val planes = image.planes.map { Yuv.Plane(it.buffer, it.rowStride, it.pixelStride) }
        val turned = if (isFront) sensorDegrees + displayDegrees else sensorDegrees - displayDegrees
        return Yuv(image.width, image.height, planes[0], planes[1], planes[2]).upright(turned)
    }

    private inner class Opened(private val preview: Surface, private val images: ImageReader) : CameraDevice.StateCallback() {
        override fun onOpened(camera: CameraDevice) {
            if (closed) return camera.close()
            device = camera
            try {
                camera.createCaptureSession(listOf(preview, images.surface), Configured(camera), handler)
            } catch (error: CameraAccessException) {
                failed(error.message ?: "the camera refuses")
            }
        }

        override fun onDisconnected(camera: CameraDevice) {
            camera.close()
            failed("another app has taken the camera")
        }

        override fun onError(camera: CameraDevice, error: Int) {
            camera.close()
            failed("the camera failed with error $error")
        }

        private inner class Configured(private val camera: CameraDevice) : CameraCaptureSession.StateCallback() {
            override fun onConfigured(session: CameraCaptureSession) {
                if (closed) return
                try {
                    val request = camera.createCaptureRequest(CameraDevice.TEMPLATE_PREVIEW).apply {
                        addTarget(preview)
                        addTarget(images.surface)
                        set(CaptureRequest.CONTROL_AF_MODE, CaptureRequest.CONTROL_AF_MODE_CONTINUOUS_PICTURE)
                    }
                    session.setRepeatingRequest(request.build(), null, handler)
                } catch (error: CameraAccessException) {
                    failed(error.message ?: "the camera refuses")
                } catch (error: IllegalStateException) {
                    failed("the camera was closed")
                }
            }

            override fun onConfigureFailed(session: CameraCaptureSession) = failed("the camera takes no preview of this size")
        }
    }

    companion object {
        private const val CLOSE_MS = 5_000L

        /** The cameras that give frames to look at, back ones first; not those for depth. */
        fun cameras(manager: CameraManager): List<Pair<String, CameraSizes>> =
            manager.cameraIdList.mapNotNull { id -> sizes(manager.getCameraCharacteristics(id))?.let { Pair(id, it) } }
                .sortedBy { manager.getCameraCharacteristics(it.first).get(CameraCharacteristics.LENS_FACING) != CameraCharacteristics.LENS_FACING_BACK }

        private fun sizes(camera: CameraCharacteristics): CameraSizes? {
            val map = camera.get(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP)
            // Null for a format that the camera lacks.
            val frames: Array<Size>? = map?.getOutputSizes(ImageFormat.YUV_420_888)
            val previews: Array<Size>? = map?.getOutputSizes(SurfaceTexture::class.java)
            return CameraSizes.choose(frames?.map(::plain), previews?.map(::plain))
        }

        private fun plain(size: Size) = FrameSize(size.width, size.height)
    }
}
