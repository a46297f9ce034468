package org.mobilevitedge.app

import android.Manifest
import android.app.Activity
import android.content.Intent
import android.content.pm.PackageManager
import android.content.res.Configuration
import android.graphics.Matrix
import android.graphics.SurfaceTexture
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraManager
import android.hardware.display.DisplayManager
import android.net.Uri
import android.os.Bundle as State
import android.os.Handler
import android.os.Looper
import android.provider.Settings
import android.view.Surface
import android.view.TextureView
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.LinearLayout
import android.widget.TextView
import org.mobilevitedge.core.BundleException
import org.mobilevitedge.core.CameraGate
import org.mobilevitedge.core.Finding
import org.mobilevitedge.core.Pixels
import org.mobilevitedge.core.Recognizer
import org.mobilevitedge.core.Shown
import org.mobilevitedge.core.Smoother

/**
 * What the camera sees, always the newest frame: classes, averaged over time, or a mask or boxes over the picture, which
 * are those of the newest frame alone.
 */
class CameraActivity : Activity(), TextureView.SurfaceTextureListener {
    private lateinit var preview: TextureView
    private lateinit var overlayView: OverlayView
    private lateinit var times: TextView
    private lateinit var answers: AnswerView
    private lateinit var settings: Button
    private lateinit var manager: CameraManager
    private val worker = Worker(this)
    private val gate = CameraGate(::open, ::close)
    private var camera = 0
    private var id: String? = null
    private var feed: CameraFeed? = null
    private var isLost = false
    private var turnedBy = 0

    /** Counts cameras and ways to hold the phone: what was found in an earlier one's picture is not of this one. */
    @Volatile
    private var view = 0

    // Written by the worker before the gate lets the camera open; of the camera's thread afterwards.
    private var recognizer: Recognizer? = null
    private var smoother = Smoother()

    /** By half a turn the screen changes without any other call. */
    private val turns = object : DisplayManager.DisplayListener {
        override fun onDisplayAdded(display: Int) = Unit

        override fun onDisplayRemoved(display: Int) = Unit

        override fun onDisplayChanged(display: Int) = turn()
    }

    /** An app that has taken the camera gives it back. */
    private val availability = object : CameraManager.AvailabilityCallback() {
        override fun onCameraAvailable(available: String) {
            if (isLost && available == id) gate.reopen()
        }
    }

    override fun onCreate(state: State?) {
        super.onCreate(state)
        camera = state?.getInt(CAMERA) ?: 0
        manager = getSystemService(CameraManager::class.java)
        preview = TextureView(this).also {
            it.surfaceTextureListener = this
            it.contentDescription = getString(R.string.what_the_camera_sees)
        }
        times = label()
        overlayView = OverlayView(this)
        answers = AnswerView(this, AnswerView.LEAST)
        settings = button(R.string.open_settings) {
            startActivity(Intent(Settings.ACTION_APPLICATION_DETAILS_SETTINGS, Uri.fromParts("package", packageName, null)))
        }.apply { visibility = View.GONE }
        val panel = column(listOf(times, answers, button(R.string.other_camera) { useOther() }, settings))
        val landscape = resources.configuration.orientation == Configuration.ORIENTATION_LANDSCAPE
        val (fill, wrap) = Pair(ViewGroup.LayoutParams.MATCH_PARENT, ViewGroup.LayoutParams.WRAP_CONTENT)
        showScreen(
            LinearLayout(this).apply {
                orientation = if (landscape) LinearLayout.HORIZONTAL else LinearLayout.VERTICAL
                addView(over(preview, overlayView), if (landscape) LinearLayout.LayoutParams(0, fill, 1f) else LinearLayout.LayoutParams(fill, 0, 1f))
                addView(panel, if (landscape) LinearLayout.LayoutParams(0, fill, 1f) else LinearLayout.LayoutParams(fill, wrap))
            },
        )
        val handler = Handler(Looper.getMainLooper())
        getSystemService(DisplayManager::class.java).registerDisplayListener(turns, handler)
        manager.registerAvailabilityCallback(availability, handler)
        if (state == null && !isGranted()) requestPermissions(arrayOf(Manifest.permission.CAMERA), 0)
        load()
    }

    override fun onSaveInstanceState(state: State) {
        super.onSaveInstanceState(state)
        state.putInt(CAMERA, camera)
    }

    override fun onResume() {
        super.onResume()
        // It may have been granted in the settings.
        permit(isGranted())
        gate.set(CameraGate.Need.SCREEN, true)
    }

    override fun onPause() {
        gate.set(CameraGate.Need.SCREEN, false)
        super.onPause()
    }

    override fun onDestroy() {
        getSystemService(DisplayManager::class.java).unregisterDisplayListener(turns)
        manager.unregisterAvailabilityCallback(availability)
        worker.run { recognizer?.close() }
        worker.close()
        super.onDestroy()
    }

    override fun onRequestPermissionsResult(request: Int, permissions: Array<String>, results: IntArray) {
        // None, if the question was interrupted.
        if (results.isEmpty()) return
        permit(isGranted())
        if (!isGranted()) {
            times.setText(R.string.camera_refused)
            settings.visibility = View.VISIBLE
        }
    }

    override fun onSurfaceTextureAvailable(texture: SurfaceTexture, width: Int, height: Int) = gate.set(CameraGate.Need.SURFACE, true)

    override fun onSurfaceTextureSizeChanged(texture: SurfaceTexture, width: Int, height: Int) = turn()

    override fun onSurfaceTextureDestroyed(texture: SurfaceTexture): Boolean {
        gate.set(CameraGate.Need.SURFACE, false)
        return true
    }

    override fun onSurfaceTextureUpdated(texture: SurfaceTexture) = Unit

    private fun isGranted() = checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED

    private fun permit(isGranted: Boolean) {
        if (isGranted) settings.visibility = View.GONE
        gate.set(CameraGate.Need.PERMISSION, isGranted)
    }

    private fun useOther() {
        camera++
        gate.reopen()
    }

    private fun load() {
        times.setText(R.string.working)
        worker.run {
            try {
                val bundle = Models(this).open(intent.getStringExtra(MODEL) ?: throw BundleException(getString(R.string.no_model)))
                recognizer = Recognizer.open(bundle) { Runtimes.load(it, MainActivity.THREADS) }
                worker.show { gate.set(CameraGate.Need.MODEL, true) }
            } catch (error: BundleException) {
                worker.show { times.text = error.message }
            } catch (error: OutOfMemoryError) {
                worker.show { times.setText(R.string.no_memory) }
            }
        }
    }

    private fun open() {
        val texture = preview.surfaceTexture ?: return
        isLost = false
        try {
            val cameras = CameraFeed.cameras(manager)
            if (cameras.isEmpty()) return times.setText(R.string.no_camera)
            val (chosen, sizes) = cameras[camera % cameras.size]
            id = chosen
            smoother = Smoother()
            val opened = CameraFeed(manager, chosen, sizes, ::recognize) { problem -> worker.show { lose(problem) } }
            feed = opened
            // The system mirrors what a front camera shows, and not the frames that it gives.
            overlayView.isMirrored = opened.isFront
            fit(opened)
            turnedBy = displayDegrees()
            opened.open(texture, turnedBy)
        } catch (error: CameraAccessException) {
            lose(error.message ?: getString(R.string.no_camera))
        }
    }

    private fun close() {
        feed?.close()
        feed = null
        view++
        show(Shown.NOTHING)
    }

    private fun show(found: Shown) {
        answers.show(found.rows)
        overlayView.show(found.overlay)
    }

    /** No frames come: what was seen before is no answer any more. */
    private fun lose(problem: String) {
        isLost = true
        show(Shown.NOTHING)
        times.text = problem
    }

    private fun turn() {
        feed?.let {
            val degrees = displayDegrees()
            it.turn(degrees)
            fit(it)
            // Displays change in other ways too, such as their rate.
            if (degrees == turnedBy) return
            turnedBy = degrees
            view++
            overlayView.show(null)
        }
    }

    private fun recognize(image: Pixels) {
        val asked = view
        val start = System.nanoTime()
        try {
            val recognizer = recognizer ?: return
            val answer = recognizer.recognize(image, Recognizer.FRAME_SIDE)
            val now = System.nanoTime()
            val finding = answer.finding.let { if (it is Finding.Classes) Finding.Classes(smoother.add(it.probabilities, now)) else it }
            val found = recognizer.show(finding, AnswerView.LEAST)
            worker.show {
                if (feed == null || isLost || asked != view) return@show
                show(found)
                times.text = getString(R.string.times, answer.inferenceNs / MainActivity.NS_PER_MS, (now - start) / MainActivity.NS_PER_MS)
            }
        } catch (error: BundleException) {
            worker.show {
                show(Shown.NOTHING)
                times.text = error.message
            }
        }
    }

    private fun displayDegrees(): Int = 90 * when (windowManager.defaultDisplay.rotation) {
        Surface.ROTATION_90 -> 1
        Surface.ROTATION_180 -> 2
        Surface.ROTATION_270 -> 3
        else -> 0
    }

    /** Show the frame upright, whole and undistorted. */
    private fun fit(feed: CameraFeed) {
        val (width, height) = Pair(preview.width.toFloat(), preview.height.toFloat())
        if (width == 0f || height == 0f) return
        // The system turns the buffer for a device held upright, and stretches it over the view.
        val sideways = feed.sensorDegrees % 180 != 0
        val (frameWidth, frameHeight) =
            if (sideways) Pair(feed.sizes.preview.height.toFloat(), feed.sizes.preview.width.toFloat())
            else Pair(feed.sizes.preview.width.toFloat(), feed.sizes.preview.height.toFloat())
        val degrees = displayDegrees()
        val turned = degrees % 180 != 0
        val scale =
            if (turned) minOf(width / frameHeight, height / frameWidth) else minOf(width / frameWidth, height / frameHeight)
        val matrix = Matrix()
        matrix.postScale(frameWidth * scale / width, frameHeight * scale / height, width / 2, height / 2)
        matrix.postRotate(-degrees.toFloat(), width / 2, height / 2)
        preview.setTransform(matrix)
    }

    companion object {
        /** The extra that names the bundle. */
        const val MODEL = "model"
        private const val CAMERA = "camera"
    }
}
